"""The schemas of Data Kiosk's data sets in GraphQL's schema language, without descriptions."""

from __future__ import annotations

from functools import cache

from spapi_async.emulator.data.graphql import Schema, parse_schema

__all__ = ["DATA_SETS", "schema_of"]


@cache
def schema_of(data_set: str) -> Schema:
    """The types of a data set; ``Query`` is the type of the outermost fields of a query."""
    return parse_schema(DATA_SETS[data_set])


_SALES_AND_TRAFFIC = """
type Amount { amount: Float! currencyCode: String! }
type Analytics_SalesAndTraffic_2024_04_24 { salesAndTrafficByAsin(aggregateBy: AsinGranularity! endDate: Date!
  marketplaceIds: [String!]! startDate: Date!): [SalesAndTrafficByAsin] salesAndTrafficByDate(aggregateBy:
  DateGranularity! endDate: Date! marketplaceIds: [String!]! startDate: Date!): [SalesAndTrafficByDate]
  salesAndTrafficTrends(asinAggregation: AsinGranularity! dateAggregation: DateGranularity! endDate: Date! filters:
  [MarketplaceAsinFilter!]! startDate: Date!): [SalesAndTrafficTrends] }
type ByAsinSales { orderedProductSales: Amount! orderedProductSalesB2B: Amount ordersShipped: Long!
  ordersShippedB2B: Long refundRate: Float! refundRateB2B: Float shippedProductSales: Amount!
  shippedProductSalesB2B: Amount totalOrderItems: Long! totalOrderItemsB2B: Long unitsOrdered: Long!
  unitsOrderedB2B: Long unitsRefunded: Long! unitsRefundedB2B: Long unitsShipped: Long! unitsShippedB2B: Long }
type ByAsinTraffic { browserPageViews: Long! browserPageViewsB2B: Long browserPageViewsPercentage: Float!
  browserPageViewsPercentageB2B: Float browserSessionPercentage: Float! browserSessionPercentageB2B: Float
  browserSessions: Long! browserSessionsB2B: Long buyBoxPercentage: Float! buyBoxPercentageB2B: Float
  mobileAppPageViews: Long! mobileAppPageViewsB2B: Long mobileAppPageViewsPercentage: Float!
  mobileAppPageViewsPercentageB2B: Float mobileAppSessionPercentage: Float! mobileAppSessionPercentageB2B: Float
  mobileAppSessions: Long! mobileAppSessionsB2B: Long pageViews: Long! pageViewsB2B: Long pageViewsPercentage:
  Float! pageViewsPercentageB2B: Float sessionPercentage: Float! sessionPercentageB2B: Float sessions: Long!
  sessionsB2B: Long unitSessionPercentage: Float! unitSessionPercentageB2B: Float }
type ByDateSales { averageSalesPerOrderItem: Amount! averageSalesPerOrderItemB2B: Amount averageSellingPrice:
  Amount! averageSellingPriceB2B: Amount averageUnitsPerOrderItem: Float! averageUnitsPerOrderItemB2B: Float
  claimsAmount: Amount! claimsAmountB2B: Amount claimsGranted: Long! claimsGrantedB2B: Long orderedProductSales:
  Amount! orderedProductSalesB2B: Amount ordersShipped: Long! ordersShippedB2B: Long refundRate: Float!
  refundRateB2B: Float shippedProductSales: Amount! shippedProductSalesB2B: Amount totalOrderItems: Long!
  totalOrderItemsB2B: Long unitsOrdered: Long! unitsOrderedB2B: Long unitsRefunded: Long! unitsRefundedB2B: Long
  unitsShipped: Long! unitsShippedB2B: Long }
type ByDateTraffic { averageOfferCount: Long! averageParentItems: Long! browserPageViews: Long! browserPageViewsB2B:
  Long browserSessions: Long! browserSessionsB2B: Long buyBoxPercentage: Float! buyBoxPercentageB2B: Float
  feedbackReceived: Long! feedbackReceivedB2B: Long mobileAppPageViews: Long! mobileAppPageViewsB2B: Long
  mobileAppSessions: Long! mobileAppSessionsB2B: Long negativeFeedbackReceived: Long! negativeFeedbackReceivedB2B:
  Long orderItemSessionPercentage: Float! orderItemSessionPercentageB2B: Float pageViews: Long! pageViewsB2B: Long
  receivedNegativeFeedbackRate: Float! receivedNegativeFeedbackRateB2B: Float sessions: Long! sessionsB2B: Long
  unitSessionPercentage: Float! unitSessionPercentageB2B: Float }
type Query { analytics_salesAndTraffic_2024_04_24: Analytics_SalesAndTraffic_2024_04_24 }
type SalesAndTrafficByAsin { childAsin: String endDate: Date! marketplaceId: String! parentAsin: String! sales:
  ByAsinSales! sku: String startDate: Date! traffic: ByAsinTraffic! }
type SalesAndTrafficByDate { endDate: Date! marketplaceId: String! sales: ByDateSales! startDate: Date! traffic:
  ByDateTraffic! }
type SalesAndTrafficTrends { asinAggregation: AsinGranularity! childAsin: String endDate: Date! marketplaceId:
  String! parentAsin: String! sales: ByAsinSales! sku: String startDate: Date! traffic: ByAsinTraffic! }
enum AsinGranularity { CHILD PARENT SKU }
enum DateGranularity { DAY MONTH WEEK }
input MarketplaceAsinFilter { asins: [String!]! marketplaceId: String! }
"""

_ECONOMICS = """
type AdSummary { adTypeName: String! charge: AggregatedDetail }
type AggregatedDetail { amount: Amount! amountPerUnit: Amount amountPerUnitDelta: Amount promotionAmount: Amount!
  quantity: Float taxAmount: Amount! totalAmount: Amount! }
type Amount { amount: Float! currencyCode: String! }
type Analytics_Economics_2024_03_15 { economics(aggregateBy: EconomicsAggregation endDate: Date!
  includeComponentsForFeeTypes: [FeeType] marketplaceIds: [String!]! startDate: Date!): [Economics]
  economicsPreview(aggregateBy: EconomicsPreviewAggregation endDate: Date! feeTypes: [PreviewFeeType!]!
  marketplaceIds: [String!]! startDate: Date!): [Economics] economicsSimulation(actionTypes: [ActionType!]! endDate:
  Date! marketplaceId: String! products: [Product!]! startDate: Date!): [Economics] }
type Economics { ads: [AdSummary] childAsin: String cost: PerUnitCost endDate: Date! fees: [FeeSummary]! fnsku:
  String marketplaceId: String! msku: String netProceeds: NetProceeds! parentAsin: String! sales: Sales! startDate:
  Date! }
type EconomicsProperty { propertyName: String! propertyValue: String! }
type FbaPerUnitCost { shippingToAmazonCost: Amount }
type Fee { aggregatedDetail: AggregatedDetail! components: [FeeComponent] endDate: Date identifier: String!
  properties: [EconomicsProperty] startDate: Date }
type FeeComponent { aggregatedDetail: AggregatedDetail! name: String! properties: [EconomicsProperty] }
type FeeSummary { charge: Fee charges: [Fee] feeTypeName: String! }
type MfnPerUnitCost { fulfillmentCost: Amount storageCost: Amount }
type NetProceeds { perUnit: Amount total: Amount }
type PerUnitCost { costOfGoodsSold: Amount fbaCost: FbaPerUnitCost mfnCost: MfnPerUnitCost miscellaneousCost: Amount
  }
type Query { analytics_economics_2024_03_15: Analytics_Economics_2024_03_15 }
type Sales { averageSellingPrice: Amount netProductSales: Amount! netUnitsSold: Long! orderedProductSales: Amount!
  refundedProductSales: Amount! unitsOrdered: Long! unitsRefunded: Long! }
enum ActionType { AWD SIPP }
enum DateGranularity { DAY MONTH RANGE WEEK }
enum EconomicsPreviewDateGranularity { RANGE }
enum EconomicsPreviewProductIdentifierGranularity { MSKU }
enum FeeType { FBA_FULFILLMENT_FEE FBA_STORAGE_FEE }
enum PreviewFeeType { AGED_INVENTORY_SURCHARGE BASE_FBA_FULFILLMENT_FEE BASE_MONTHLY_STORAGE_FEE CLOSING_FEES
  DIGITAL_SERVICES_FEE_FBA DIGITAL_SERVICES_FEE_SOA FBA_FULFILLMENT_FEES FBA_INBOUND_PLACEMENT_SERVICE_FEE
  HIGH_RETURN_RATE_FEE LOW_INVENTORY_LEVEL_FEE MONTHLY_INVENTORY_STORAGE_FEES PAN_EU_OVERSIZE_FEE
  PER_ITEM_SELLING_FEES REFERRAL_FEES RETURN_PROCESSING_FEE SPONSORED_PRODUCTS_CHARGES STORAGE_UTILIZATION_SURCHARGE
  }
enum ProductIdentifierGranularity { CHILD_ASIN MSKU PARENT_ASIN }
enum ProductIdentifierType { ASIN FNSKU MSKU }
input AmountInput { amount: Float! currencyCode: String! }
input EconomicsAggregation { date: DateGranularity productId: ProductIdentifierGranularity }
input EconomicsPreviewAggregation { date: EconomicsPreviewDateGranularity productId:
  EconomicsPreviewProductIdentifierGranularity }
input Product { identifier: ProductIdentifier! inputContext: ProductInputContext }
input ProductIdentifier { type: ProductIdentifierType! value: String! }
input ProductInputContext { historicalAverageWeeklySales: Long itemPrice: AmountInput sendToAWDQuantity: Long
  shipmentLeadTime: Long shippingCost: AmountInput unitPerCarton: Long }
"""

_VENDOR_ANALYTICS = """
type Amount { amount: Float! currencyCode: String! }
type Analytics_vendorAnalytics_2024_09_30 { manufacturingView(aggregateBy: DateGranularity! currencyCode: String
  endDate: Date! startDate: Date!): [ManufacturingView] sourcingView(aggregateBy: DateGranularity! currencyCode:
  String endDate: Date! startDate: Date!): [SourcingView] }
type Costs { averageSalesDiscount: Amount contraCogs: Amount contraCogsPerUnit: Amount netPPM: Float salesDiscount:
  Amount shippedCogs: Amount }
type CustomerReturnTopics { browseNodeReturnTopicTrends: String browseNodeReturnTopics: String }
type CustomerReviewTopics { negativeReviewTopicImpactOnStarRating: String negativeReviewTopicTrends: String
  negativeReviewTopics: String positiveReviewTopicImpactOnStarRating: String positiveReviewTopicTrends: String
  positiveReviewTopics: String }
type CustomerReviews { asinReviewTopics: CustomerReviewTopics browseNodeReviewTopics: CustomerReviewTopics }
type CustomerSatisfaction { customerReturnTopics: CustomerReturnTopics customerReturns: Long customerReviews:
  CustomerReviews }
type ForecastedDemandStatistic { mean: Long p70: Long p80: Long p90: Long }
type ForecastedDemandWeekly { demand: ForecastedDemandStatistic endDate: Date! startDate: Date! weekNumber: Int! }
type GroupByAttributes { asin: String binding: String brand: String brandCode: String color: String ean: String
  isbn13: String manufacturerCode: String modelNumber: String msrp: Amount parentAsin: String prepInstructions:
  String prepInstructionsPerformedBy: String productGroup: String productTitle: String releaseDate: String
  replenishmentCategory: String shipToCity: String shipToCountryCode: String shipToStateOrProvince: String
  shipToZipCode: String upc: String vendorCode: String }
type ManufacturingView { endDate: Date! marketplaceId: String! metrics: [ManufacturingViewMetricsGroupedBy]!
  startDate: Date! totals: ManufacturingViewMetrics! }
type ManufacturingViewMetrics { costs: Costs customerSatisfaction: CustomerSatisfaction forecasting:
  [ForecastedDemandWeekly] orders: Orders productAvailability: ProductAvailability shippedOrders: ShippedOrders
  sourcing: Sourcing traffic: Traffic }
type ManufacturingViewMetricsGroupedBy { groupByKey: GroupByAttributes! metrics: ManufacturingViewMetrics! }
type Orders { netOrderedGMS: Amount netShipmentGMS: Amount orderedUnitsWithRevenue: UnitsWithValue
  unfilledOrderedUnits: Long }
type ProductAvailability { aged90DaysSellableInventory: UnitsWithValue sellThroughRate: Float
  sellableInTransitInventory: Long sellableOnHandInventory: UnitsWithValue sourceableROOS: Float ultraFastTrack:
  Float unhealthyInventory: UnitsWithValue unsellableInTransitInventory: Long unsellableOnHandInventory:
  UnitsWithValue }
type Query { analytics_vendorAnalytics_2024_09_30: Analytics_vendorAnalytics_2024_09_30 }
type ShippedOrders { averageSellingPrice: Amount shippedUnitsWithRevenue: UnitsWithValue }
type Sourcing { confirmedUnits: Long mostRecentSubmitted: Long netReceived: UnitsWithValue
  openPurchaseOrderQuantity: Long overallVendorLeadTime: Float procurableProductOOS: Float receivedFillRate: Float
  vendorConfirmationRate: Float }
type SourcingView { endDate: Date! marketplaceId: String! metrics: [SourcingViewMetricsGroupedBy]! startDate: Date!
  totals: SourcingViewMetrics! }
type SourcingViewMetrics { costs: Costs customerSatisfaction: CustomerSatisfaction productAvailability:
  ProductAvailability shippedOrders: ShippedOrders sourcing: Sourcing }
type SourcingViewMetricsGroupedBy { groupByKey: GroupByAttributes! metrics: SourcingViewMetrics! }
type Traffic { glanceViews: Long lostFeaturedOffer: Float }
type UnitsWithValue { units: Long value: Amount }
enum DateGranularity { DAY MONTH WEEK }
"""

DATA_SETS = {
    "analytics_economics_2024_03_15": _ECONOMICS,
    "analytics_salesAndTraffic_2024_04_24": _SALES_AND_TRAFFIC,
    "analytics_vendorAnalytics_2024_09_30": _VENDOR_ANALYTICS,
}
"""Schemas by the name of a query's outermost field."""
