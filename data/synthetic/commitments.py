"""The commitments of the demo: a savings plan too large, a reservation too many, one that fits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import pandas as pd

from data.synthetic.fleet import ACCOUNTS, COMPANY, prices
from data.synthetic.services import SERVICES, Slot

MONTHS_SINCE_PURCHASE = 7
HOURS_PER_YEAR = 8760


@dataclass(frozen=True)
class Commitment:
    """A one-year commitment without upfront payment.

    Money is in USD. `unit_price` is what one `unit` costs: 1 for a commitment to spend, the hourly price of
    one instance for a commitment to use; `units_per_hour` of them are committed.
    """

    provider: str
    commitment_id: str
    name: str
    kind: str
    category: str  # Spend | Usage
    unit: str
    unit_price: Decimal
    units_per_hour: Decimal
    account_id: str
    account_name: str
    service: str
    code: str
    region: str
    start: pd.Timestamp
    is_billed_monthly: bool

    @property
    def fee_per_hour(self) -> Decimal:
        """What it costs, used or not."""
        return self.unit_price * self.units_per_hour

    def unused_per_hour(self, fleet: pd.DataFrame) -> Decimal:
        """The part of the fee that the committed instances of the fleet leave unused."""
        mine = fleet[(fleet["provider"] == self.provider) & (fleet["purchase"] == "commitment-1y")]
        return self.fee_per_hour - sum(mine["paid_price"], Decimal(0))

    def quantity(self, price_units: int, hours: int) -> int:
        """Thousandths of `unit` that hours at a price (1e-10 USD/h) use up."""
        total = Decimal(price_units) * hours / 10**10 / self.unit_price
        return int((total * 1000).to_integral_value())

    def bought(self, hours: int) -> int:
        """Thousandths of `unit` that are paid for in so many hours."""
        return int((self.units_per_hour * hours * 1000).to_integral_value())


def commitments(as_of: datetime) -> tuple[Commitment, ...]:
    """One per provider, bought seven months before the month of `as_of`."""
    start = pd.Timestamp(as_of).floor("D").replace(day=1) - pd.DateOffset(months=MONTHS_SINCE_PURCHASE)
    reserved, used = _slot("search"), _slot("orders-api")
    payer, subscription, project = (ACCOUNTS["aws"]["data-platform"], ACCOUNTS["azure"]["discovery"],
                                    ACCOUNTS["gcp"]["storefront"])  # fmt: skip
    orders = f"//compute.googleapis.com/projects/{project[0]}/regions/{used.region}/commitments/orders-1y"
    return (
        Commitment(
            "aws", f"arn:aws:savingsplans::{payer[0]}:savingsplan/5f1d2c3b-4a59-4867-9a0b-1c2d3e4f5061",
            "ComputeSavingsPlan-1yr-NoUpfront", "Compute Savings Plan", "Spend", "USD",
            Decimal(1), Decimal("4.5"), *payer, "Savings Plans for AWS Compute usage",
            "ComputeSavingsPlans", "global", start,
            is_billed_monthly=False,
        ),
        Commitment(
            "azure", "/providers/Microsoft.Capacity/reservationOrders/9b0c1d2e-3f40-4516-8273-849506a7b8c9",
            f"VM_RI_{COMPANY.split(maxsplit=1)[0]}_{reserved.instance_type}", "Reservation", "Usage", "Hours",
            prices(reserved)[1], Decimal(reserved.replicas + 1), *subscription, "Virtual Machines", "",
            reserved.region, start, is_billed_monthly=True,
        ),
        Commitment(
            "gcp", orders, "orders-1y", "Resource-based CUD", "Usage", "hour", prices(used)[1],
            Decimal(used.replicas), *project, "Compute Engine", "", used.region, start,
            is_billed_monthly=False,
        ),
    )  # fmt: skip


def contract_rows(as_of: datetime) -> pd.DataFrame:
    """The commitments as FOCUS 1.3 Contract Commitment rows, in decimal text."""
    rows = []
    for contract in commitments(as_of):
        end = contract.start + pd.DateOffset(years=1)
        hours = (end - contract.start) // pd.Timedelta(hours=1)
        is_spend = contract.category == "Spend"
        rows.append(
            {
                "ContractCommitmentId": contract.commitment_id,
                "ContractCommitmentType": contract.kind,
                "ContractCommitmentCategory": contract.category,
                "ContractCommitmentCost": f"{contract.fee_per_hour * hours:f}",
                "ContractCommitmentQuantity": "" if is_spend else f"{contract.units_per_hour * hours:f}",
                "ContractCommitmentUnit": "" if is_spend else contract.unit,
                "ContractCommitmentDescription": contract.name,
                "ContractCommitmentPeriodStart": f"{contract.start:%Y-%m-%dT%H:%M:%SZ}",
                "ContractCommitmentPeriodEnd": f"{end:%Y-%m-%dT%H:%M:%SZ}",
                "ContractId": f"{COMPANY.upper().replace(' ', '-')}-{contract.provider.upper()}",
                "ContractPeriodStart": f"{contract.start:%Y-%m-%dT%H:%M:%SZ}",
                "ContractPeriodEnd": f"{end:%Y-%m-%dT%H:%M:%SZ}",
                "BillingCurrency": "USD",
            }
        )
    return pd.DataFrame(rows)


def _slot(workload: str) -> Slot:
    service = next(service for service in SERVICES if service.name == workload)
    return next(slot for slot in service.fleet if slot.purchase == "commitment-1y")
