"""Decides which fields contain personal data, or give access to it, and are hidden in the reprs of generated types.

There are three rules, in this order: all fields of a type whose name says that it describes a person; all fields of a
type with a field that only addresses and contacts have; single fields of other types, by name or from a table. A type
that contains such a type needs no entry, since the inner repr is masked. Names of things (carriers, plans, stores,
marketplaces) are not personal.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

__all__ = ["Hidden", "hidden_fields"]

Hidden = Literal["all"] | tuple[str, ...]
"""``"all"``, or the names of the hidden fields."""

# Types that describe buyers, recipients and other people: no field is shown.
_TYPES = re.compile(
    r"""
      (?:Legacy)?
      (?: \w*Address | AddressExtendedFields | VariablePrecisionAddress
        | Buyer | \w*BuyerInfo | Buyer(?:Tax|Customized)Info\w* | BuyerTaxInformation
        | Business | Contact\w* | PrimaryContact | PayeeContactInformation
        | DeliveryPreferences? | (?:Order)?DropOffLocation | Geocode
        | Gift(?:Option|Details) | ItemCustomization
        | OrderTaxRegistration | TaxRegistrationAttribute | TaxRegistrationInfo | TaxClassification
        | PrescriptionDetail | RegulatedInformationField
        | PhoneNumber | ProofOfDelivery | Recipient\w* | Technician )
    """,
    re.VERBOSE,
)

# A type with one of these fields says how to reach a person, and its other fields describe the same person.
MARKS = frozenset(
    {"address", "address_line1", "email", "email_address", "latitude", "phone", "phone_number", "postal_code"}
    | {"street_name"}
)

# Fields that are hidden in every type.
FIELDS = frozenset(
    {
        "account_holder_name", "additional_address_notes", "address_instruction", "address_instructions",
        "bank_account_holder_name", "bank_account_number", "bank_account_number_tail", "buyer_cancel_reason",
        "buyer_company_name", "buyer_county", "buyer_email", "buyer_name", "cancel_reason", "customer_tracking_link",
        "customized_url",
        "delivery_instructions", "delivery_notes", "destination_postal_code", "displayable_comment",
        "displayable_order_comment", "gift_message", "gift_message_text", "invoice_content", "ip_address",
        "label_stream", "legal_name", "locker_access_code",
        "message_to_customer", "notification_emails", "otp", "requester_name", "restricted_data_token",
        "return_comment", "signed_for_by", "tax_registration_number", "value_as_string",
    }
)  # fmt: skip

# Fields that are hidden only in certain types, because their names are general: documents and labels with an address,
# links and keys that give access to such a document, the login of a carrier account, texts to buyers.
PLACES: dict[str, dict[str, tuple[str, ...]]] = {
    "data_kiosk_2023_11_15": {"GetDocumentResponse": ("document_url",)},
    "easy_ship_2022_03_23": {"CreateScheduledPackagesResponse": ("printable_documents_url",)},
    "external_fulfillment_shipments_2024_09_11": {"Document": ("content",), "DocumentV2": ("url",)},
    "feeds_2020_09_04": {
        "CreateFeedDocumentResult": ("url",),
        "FeedDocument": ("url",),
        "FeedDocumentEncryptionDetails": ("initialization_vector", "key"),
    },
    "feeds_2021_06_30": {"CreateFeedDocumentResponse": ("url",), "FeedDocument": ("url",)},
    "finances_invoices_2026_06_25": {"PartnerMetadata": ("partner_name", "partner_address")},
    "fulfillment_outbound_2020_07_01": {"DeliveryDocument": ("url",), "DeliveryMessage": ("text",)},
    "fulfillment_outbound_2026_07_04": {
        "AmazonTracking": ("tracking_url",),
        "CarrierTracking": ("tracking_url",),
        "OrderPackingSlip": ("template_attributes",),
    },
    "invoices_2024_06_19": {
        "InvoiceDocument": ("invoice_document_url",),
        "InvoicesDocument": ("invoices_document_url",),
    },
    "merchant_fulfillment_v0": {"FileContents": ("contents",)},
    "messaging_v1": {
        "CreateConfirmCustomizationDetailsRequest": ("text",),
        "CreateConfirmDeliveryDetailsRequest": ("text",),
        "CreateConfirmOrderDetailsRequest": ("text",),
        "CreateConfirmServiceDetailsRequest": ("text",),
        "CreateDigitalAccessKeyRequest": ("text",),
        "CreateUnexpectedProblemRequest": ("text",),
    },
    "reports_2020_09_04": {
        "ReportDocument": ("url",),
        "ReportDocumentEncryptionDetails": ("initialization_vector", "key"),
    },
    "reports_2021_06_30": {"ReportDocument": ("url",)},
    "services_v1": {
        "EncryptionDetails": ("initialization_vector", "key"),
        "ServiceDocumentUploadDestination": ("url",),
    },
    "shipment_tracking_milestone_changed": {"TrackingDetail": ("tracking_url",)},
    "shipping_v2": {
        "CarrierAccountAttribute": ("value",),
        "CollectionsFormDocument": ("base64_encoded_content",),
        "PackageDocument": ("contents",),
    },
    "support_2025_02_01": {
        "Attachment": ("name", "download_url"),
        "Case": ("subject", "primary_email", "cc_emails"),
        "CaseFilters": ("primary_emails", "cc_emails", "subject_keywords"),
        "ChatContent": ("transcript",),
        "ChatEvent": ("message",),
        "EmailContent": ("message",),
        "Participant": ("display_name",),
        "PhoneContent": ("call_notes",),
    },
    "uploads_2020_11_01": {"UploadDestination": ("url",)},
    "vendor_direct_fulfillment_shipping_2021_12_28": {
        "ContainerLabel": ("content",),
        "CustomerInvoice": ("content",),
        "LabelData": ("content",),
        "PackingSlip": ("content",),
    },
    "vendor_direct_fulfillment_shipping_v1": {
        "CustomerInvoice": ("content",),
        "LabelData": ("content",),
        "PackingSlip": ("content",),
    },
    "vendor_shipments_v1": {"LabelData": ("label",)},
}


def hidden_fields(module: str, name: str, fields: Iterable[tuple[str, bool]]) -> Hidden:
    """The fields that the repr of a class hides; ``fields`` are names and whether the field contains text."""
    texts = [field for field, is_text in fields if is_text]
    if texts and (_TYPES.fullmatch(name) or not MARKS.isdisjoint(texts)):
        return "all"
    here = PLACES.get(module, {}).get(name, ())
    return tuple(field for field in texts if field in FIELDS or field in here)
