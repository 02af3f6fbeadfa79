"""Writes one page within an open transaction: compares its orders, writes them, and adds changes to the feed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from spapi_async.workflows._cursor import Cursor
from spapi_async.workflows.orders._across import compared_across, compared_items
from spapi_async.workflows.orders._lease import LEASE, Lease, lost_error
from spapi_async.workflows.orders._page import OrderPage, QuotaStates, Stored, Unreadable
from spapi_async.workflows.orders._rows import Detail, ItemRow, OrderRow, newest
from spapi_async.workflows.orders._statements import Statements, amount
from spapi_async.workflows.orders._tables import (
    checkpoints,
    order_changes,
    order_holes,
    order_items,
    order_personal,
    orders,
    quota_states,
)
from spapi_async.workflows.orders._tables import unreadable as unreadable_entries
from spapi_async.workflows.orders._vault import PersonalData
from spapi_async.workflows.orders._verdict import EVERYWHERE, MOST_PATHS, Before, Differences, Verdict, compared, judge

__all__ = ["PageWriter"]


class _Judged(NamedTuple):
    row: OrderRow
    digest: bytes
    before: Before | None
    verdict: Verdict

    @property
    def is_from_another_source(self) -> bool:
        return self.before is not None and self.before is not _ANY and self.before.source != self.row.source

    @property
    def has_items_apart(self) -> bool:
        return self.before is not None and self.row.detail is Detail.V0 and self.before.source == self.row.source


class PageWriter:
    """Writes pages of orders with prepared statements."""

    def __init__(self, statements: Statements) -> None:
        self._sql = statements

    def write(self, cursor: Cursor, page: OrderPage, personal: PersonalData | None) -> Stored:
        """Write a page.

        Raises:
            LeaseLostError: another process holds the lease now.
        """
        self._begin(cursor, page)
        judged = self._judge(cursor, page.seller, newest(page.rows))
        stored = [each for each in judged if each.verdict.is_stored]
        paths, items = self.put(cursor, page, stored)
        # The same content in another notation, or with its personal data moved, is not a change.
        published = [each for each in stored if each.before is None or paths.get(each.row.order_id)]
        if personal is not None:
            self._put_personal(cursor, page, [each.row for each in stored], personal)
        self._put_unreadable(cursor, page, personal)
        self._put_holes(cursor, page)
        self.put_quota(cursor, page.quota, page.at)
        self._publish(cursor, page, published, paths)
        return _counted(judged, published, unchanged=len(stored) - len(published), items=items)

    def rewrite(
        self,
        cursor: Cursor,
        seller: str,
        rows: Sequence[OrderRow],
        personal: PersonalData | None,
        *,
        at: datetime,
    ) -> None:
        """Replace stored orders by the current reading of their payloads; this adds no changes to the feed."""
        page = OrderPage(seller=seller, rows=rows, checkpoint=None, at=at)
        replaced = [_Judged(row, _digest(row), _ANY, Verdict.DETAIL) for row in rows]
        self.put(cursor, page, replaced)
        if personal is not None:
            self._put_personal(cursor, page, rows, personal)

    def _begin(self, cursor: Cursor, page: OrderPage) -> None:
        """Acquire the write lock before anything is read, by a write that is needed anyway."""
        sql, lease = self._sql, page.lease
        if sql.one_writer:
            cursor.execute(sql.one_writer, (sql.lock_of(page.seller),))
        if lease is not None:
            self._renew(cursor, lease, page.at)
        if page.checkpoint is not None:
            facts = {**msgspec.structs.asdict(page.checkpoint), "updated_at": page.at}
            cursor.execute(sql.put_checkpoint, sql.row(checkpoints, facts))
        elif lease is None:
            cursor.execute(sql.number, (0,))

    def _renew(self, cursor: Cursor, lease: Lease, now: datetime) -> None:
        sql = self._sql
        values = (sql.value(now + LEASE), lease.seller, lease.stream, lease.holder, lease.fencing)
        cursor.execute(sql.renew, values)
        if cursor.rowcount != 1:
            raise lost_error(lease)

    def _judge(self, cursor: Cursor, seller: str, rows: Sequence[OrderRow]) -> list[_Judged]:
        if not rows:
            return []
        sql = self._sql
        cursor.execute(sql.known, (seller, sql.ids(row.order_id for row in rows)))
        known = {
            order_id: Before(sql.time(updated), status, source, detail, bytes(digest))
            for order_id, updated, status, source, detail, digest in cursor.fetchall()
        }
        judged = []
        for row in rows:
            digest, before = _digest(row), known.get(row.order_id)
            judged.append(_Judged(row, digest, before, judge(before, row, digest)))
        return judged

    def put(self, cursor: Cursor, page: OrderPage, stored: Sequence[_Judged]) -> tuple[dict[str, list[str]], int]:
        """Write orders and their items; returns the differences of each replaced order, and the number of items."""
        if not stored:
            return {}, 0
        sql, seller = self._sql, page.seller
        differences = self._put_orders(cursor, page, stored)
        detailed = [each for each in stored if each.row.detail is not Detail.REPORT]
        replaced: list[str] = []
        items: list[tuple[Any, ...]] = []
        for each in detailed:
            changed = _changed_items(each, differences.get(each.row.order_id, EVERYWHERE))
            if changed is None:
                replaced.append(each.row.order_id)
                changed = each.row.items
            items += [self._item(item, seller) for item in changed]
        if replaced:
            cursor.execute(sql.drop_items, (seller, sql.ids(replaced)))
        if items:
            sql.many(cursor, sql.put_item, order_items, items)
        paths = {order_id: difference.paths for order_id, difference in differences.items()}
        return paths, sum(len(each.row.items) for each in detailed)

    def _put_orders(self, cursor: Cursor, page: OrderPage, stored: Sequence[_Judged]) -> dict[str, Differences]:
        """Write orders; returns the differences of those that were stored before."""
        sql, seller, now = self._sql, page.seller, self._sql.value(page.at)
        replaced = [each for each in stored if each.before is not None]
        found = {each.row.order_id: EVERYWHERE for each in replaced if each.before is _ANY}
        found |= self._compare_across(cursor, seller, [each for each in replaced if each.is_from_another_source])
        payloads = {each.row.order_id: each.row.payload for each in replaced if each.row.order_id not in found}
        apart = self._compare_items(cursor, seller, [each for each in replaced if each.has_items_apart])
        values = [self._order(each, seller, now) for each in stored]
        if not payloads:
            sql.many(cursor, sql.put_order, orders, values)
        elif sql.put_and_compare:
            sql.many(cursor, sql.put_and_compare, orders, values)
            for order_id, paths, items in cursor.fetchall():
                if order_id in payloads:
                    found[order_id] = Differences(paths or [], None if items is None else frozenset(items))
        else:
            cursor.execute(sql.payloads, (seller, sql.ids(payloads)))
            for order_id, before in cursor.fetchall():
                found[order_id] = compared(before, payloads[order_id])
            sql.many(cursor, sql.put_order, orders, values)
        for order_id, more in apart.items():
            found[order_id] = Differences((found[order_id].paths + more)[:MOST_PATHS], None)
        return found

    def _compare_across(self, cursor: Cursor, seller: str, replaced: Sequence[_Judged]) -> dict[str, Differences]:
        """The differences of orders that were stored from another source, which uses other names."""
        if not replaced:
            return {}
        order_ids = [each.row.order_id for each in replaced]
        stored, items = self._sql.stored(cursor, seller, order_ids), self._sql.items_of(cursor, seller, order_ids)
        return {
            each.row.order_id: compared_across(stored[each.row.order_id], items.get(each.row.order_id, ()), each.row)
            for each in replaced
        }

    def _compare_items(self, cursor: Cursor, seller: str, replaced: Sequence[_Judged]) -> dict[str, list[str]]:
        """The differences of items that were fetched separately from their orders."""
        if not replaced:
            return {}
        items = self._sql.items_of(cursor, seller, [each.row.order_id for each in replaced])
        return {each.row.order_id: compared_items(items.get(each.row.order_id, ()), each.row) for each in replaced}

    def _order(self, each: _Judged, seller: str, now: Any) -> tuple[Any, ...]:
        """An order's values, in the order of the table's columns."""
        sql, row = self._sql, each.row
        return (
            seller,
            row.order_id,
            row.marketplace_id,
            row.status,
            row.amazon_status,
            row.channel,
            row.fulfilled_by,
            row.sales_channel,
            sql.moment(row.created_at),
            sql.moment(row.last_updated_at),
            amount(row.total_amount),
            row.total_currency,
            len(row.items),
            row.source,
            str(row.detail),  # ``value`` of a member is a slow property
            now,
            each.digest,
            sql.jsonb(row.payload),
        )

    def _item(self, item: ItemRow, seller: str) -> tuple[Any, ...]:
        sql = self._sql
        return (
            seller,
            item.order_id,
            item.order_item_id,
            item.asin,
            item.seller_sku,
            item.title,
            item.quantity_ordered,
            item.quantity_shipped,
            amount(item.price_amount),
            item.price_currency,
            sql.jsonb(item.payload),
        )

    def _put_personal(self, cursor: Cursor, page: OrderPage, rows: Sequence[OrderRow], personal: PersonalData) -> None:
        """Store the personal data of these orders, and shorten the retention for orders that are over now."""
        sql = self._sql
        values: list[dict[str, Any]] = []
        ends: list[tuple[str, str, datetime]] = []
        for row in rows:
            delete_at = personal.delete_at(row, page.at)
            # Data that would be deleted at once is not written: backfills return orders of two years.
            if row.personal and delete_at > page.at:
                values.append(
                    {
                        "seller": page.seller,
                        "order_id": row.order_id,
                        "content": personal.sealed(row),
                        "encrypted": int(personal.keys is not None),
                        "stored_at": page.at,
                        "delete_at": delete_at,
                    }
                )
            elif personal.retention_has_begun(row):
                ends.append((page.seller, row.order_id, delete_at))
        if values:
            sql.many(cursor, sql.put_personal, order_personal, sql.rows(order_personal, values))
        if ends:
            sql.end(cursor, ends)

    def _put_unreadable(self, cursor: Cursor, page: OrderPage, personal: PersonalData | None) -> None:
        if page.unreadable:
            sql, stream = self._sql, page.checkpoint.stream if page.checkpoint else ""
            facts = {digest: (each, digest) for each in page.unreadable if (digest := _text_digest(each))}
            values = [_set_aside(each, digest, page, stream, personal) for each, digest in facts.values()]
            sql.many(cursor, sql.put_unreadable, unreadable_entries, sql.rows(unreadable_entries, values))

    def _put_holes(self, cursor: Cursor, page: OrderPage) -> None:
        """Record which data sets these orders lack, in the transaction that stores them."""
        lacking: dict[str, list[datetime]] = {}
        for row in page.rows:
            for dataset in row.lacks:
                if row.last_updated_at is not None:
                    lacking.setdefault(dataset, []).append(row.last_updated_at)
        for dataset, updates in sorted(lacking.items()):
            facts = {
                "seller": page.seller,
                "dataset": dataset,
                "updated_from": min(updates),
                "updated_to": max(updates),
                "refused_at": page.at,
            }
            cursor.execute(self._sql.put_hole, self._sql.row(order_holes, facts))

    def put_quota(self, cursor: Cursor, quota: QuotaStates, now: datetime) -> None:
        """Write the quota spent."""
        # Always in the same order, so that two processes that write the same rows cannot deadlock.
        states = [
            {"application": application, "account": account, "saved_at": now, "state": state}
            for (application, account), state in sorted(quota.items())
        ]
        if states:
            self._sql.many(cursor, self._sql.put_quota, quota_states, self._sql.rows(quota_states, states))

    def _publish(
        self, cursor: Cursor, page: OrderPage, published: Sequence[_Judged], paths: dict[str, list[str]]
    ) -> None:
        """Number the changes, as the last step: the feed's row is locked until the commit, so commits are in order."""
        if not published:
            return
        sql = self._sql
        cursor.execute(sql.number, (len(published),))
        ((last, _),) = cursor.fetchall()
        now, first = sql.value(page.at), last - len(published) + 1
        values = [self._change(number, each, page.seller, paths, now) for number, each in enumerate(published, first)]
        sql.many(cursor, sql.add_change, order_changes, values)

    def _change(
        self, number: int, each: _Judged, seller: str, paths: dict[str, list[str]], now: Any
    ) -> tuple[Any, ...]:
        """A change's values, in the order of the table's columns."""
        row = each.row
        return (
            number,
            seller,
            row.order_id,
            str(each.verdict),
            msgspec.json.encode(paths.get(row.order_id, [])).decode(),
            each.before.status if each.before else None,
            row.status,
            row.source,
            self._sql.moment(row.last_updated_at),
            now,
        )


def _changed_items(each: _Judged, differences: Differences) -> Sequence[ItemRow] | None:
    """The items of an order to be written; None if the stored ones have to be deleted first."""
    items = each.row.items
    if each.before is None:
        return items
    if differences.items is None:
        return None
    changed = [item for item in items if item.order_item_id in differences.items]
    return changed if len(changed) == len(differences.items) else None  # an id has another form in its column


_ANY = Before(None, None, "", "", b"")
"""Stands for any stored order."""


def _digest(row: OrderRow) -> bytes:
    """A digest of an order's content, including items that were fetched separately."""
    found = hashlib.blake2b(row.payload.encode(), digest_size=16)
    if row.detail is Detail.V0:
        for item in row.items:
            found.update(item.payload.encode())
    return found.digest()


def _text_digest(entry: Unreadable) -> str:
    return hashlib.blake2b(entry.raw, digest_size=16).hexdigest()


def _set_aside(
    entry: Unreadable, digest: str, page: OrderPage, stream: str, personal: PersonalData | None
) -> dict[str, Any]:
    """The row of an unreadable entry, the same however often its page is read; its bytes only encrypted."""
    keys = personal.keys if personal is not None else None
    return {
        "seller": page.seller,
        "digest": digest,
        "stream": stream,
        "reason": entry.reason,
        "request_id": entry.request_id,
        "size": len(entry.raw),
        "raw": keys.encrypt(entry.raw) if keys is not None else None,
        "seen_at": page.at,
    }


def _counted(judged: Sequence[_Judged], published: Sequence[_Judged], *, unchanged: int, items: int) -> Stored:
    verdicts = [each.verdict for each in judged]
    return Stored(
        inserted=verdicts.count(Verdict.NEW),
        updated=verdicts.count(Verdict.UPDATED) + verdicts.count(Verdict.DETAIL) - unchanged,
        unchanged=verdicts.count(Verdict.SAME) + unchanged,
        stale=verdicts.count(Verdict.STALE),
        items=items,
        changed=frozenset(each.row.order_id for each in published),
    )
