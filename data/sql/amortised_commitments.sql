-- Commitments over spans for which the bill has everything they cost: then what is spread is what is billed.
-- grain: source, account, commitment, currency, span; a span is the term that a contract names, the life of a
--        commitment that began and ended within the bill, or a month of one without upfront payment
-- units: billed_cost and effective_cost in `currency`, exact decimals; month is the last the span has charges of
-- source: charges; contract_commitments for terms and total costs. A month counts where the fees of the month are for
--         that month, and where nothing was paid upfront: the contract costs what these fees add up to, or AWS says
--         so, or the bill has the beginning and no upfront payment in it. Bills settle for 14 days after a span.
WITH bill AS (
    SELECT
        x_Source AS source,
        BillingAccountId AS account,
        min(x_Month) AS first_month,
        max(x_Month) AS last_month,
        min(ChargePeriodStart) FILTER (WHERE ChargeCategory = 'Usage' AND ChargeClass IS NULL) AS begins,
        max(ChargePeriodEnd) FILTER (WHERE ChargeCategory = 'Usage' AND ChargeClass IS NULL) AS ends
    FROM charges
    GROUP BY ALL
),
bill_months AS (
    SELECT DISTINCT x_Source AS source, BillingAccountId AS account, x_Month AS month FROM charges
),
by_month AS (
    SELECT
        x_Source AS source,
        BillingAccountId AS account,
        CommitmentDiscountId AS commitment,
        BillingCurrency AS currency,
        x_Month AS month,
        min(BillingPeriodStart) AS month_start,
        max(BillingPeriodEnd) AS month_end,
        min(ChargePeriodStart) AS begins,
        max(ChargePeriodEnd) AS ends,
        min(ChargePeriodStart) FILTER (WHERE is_upfront) AS paid_upfront,
        sum(BilledCost) AS billed_cost,
        sum(EffectiveCost) AS effective_cost,
        sum(BilledCost) FILTER (WHERE is_fee) AS fees,
        sum(epoch(ChargePeriodEnd) - epoch(ChargePeriodStart)) FILTER (WHERE is_fee) AS fees_s,
        bool_or(payment = 'No Upfront') AS has_no_upfront
    FROM (
        SELECT
            *,
            ChargeCategory = 'Purchase' AND ChargeFrequency = 'One-Time' AS is_upfront,
            ChargeCategory = 'Purchase' AND ChargeFrequency = 'Recurring' AS is_fee,
            coalesce(
                x_Extra['savingsPlan/PaymentOption'],
                x_Extra['savings_plan_payment_option'],
                x_Extra['pricing/PurchaseOption'],
                x_Extra['pricing_purchase_option']
            ) AS payment
        FROM charges
        WHERE CommitmentDiscountId IS NOT NULL
    )
    GROUP BY ALL
),
lives AS (
    SELECT
        m.source,
        m.account,
        m.commitment,
        m.currency,
        min(m.begins) AS begins,
        max(m.ends) AS ends,
        min(m.month) AS first_month,
        max(m.month) AS last_month,
        min(m.month) > any_value(bill.first_month) OR min(m.paid_upfront) >= any_value(bill.begins) AS has_begun,
        count(m.paid_upfront) > 0 AS has_upfront,
        bool_or(m.has_no_upfront) AS has_no_upfront
    FROM by_month AS m
    INNER JOIN bill USING (source, account)
    GROUP BY ALL
),
terms AS (
    SELECT
        ContractCommitmentId AS commitment,
        BillingCurrency AS currency,
        min(ContractCommitmentPeriodStart) AS begins,
        max(ContractCommitmentPeriodEnd) AS ends,
        sum(ContractCommitmentCost)::DOUBLE
        / sum(epoch(ContractCommitmentPeriodEnd) - epoch(ContractCommitmentPeriodStart)) AS cost_per_s
    FROM contract_commitments
    GROUP BY ALL
),
spans AS (
    SELECT source, account, commitment, lives.currency, 'term' AS span, terms.begins, terms.ends
    FROM lives
    INNER JOIN terms USING (commitment)
    UNION ALL
    SELECT source, account, commitment, currency, 'life', lives.begins, lives.ends
    FROM lives
    INNER JOIN bill USING (source, account)
    WHERE
        has_begun
        AND lives.last_month < bill.last_month
        AND commitment NOT IN (SELECT commitment FROM terms)
    UNION ALL
    SELECT m.source, m.account, m.commitment, m.currency, m.month, m.month_start, m.month_end
    FROM by_month AS m
    INNER JOIN lives USING (source, account, commitment, currency)
    LEFT JOIN terms ON terms.commitment = m.commitment AND terms.currency = m.currency
    WHERE
        m.fees_s BETWEEN 0.999 * (epoch(m.month_end) - epoch(m.month_start)) AND 1.001
        * (epoch(m.month_end) - epoch(m.month_start))
        AND NOT lives.has_upfront
        AND (
            lives.has_no_upfront
            OR lives.has_begun
            OR abs(m.fees - terms.cost_per_s * (epoch(m.month_end) - epoch(m.month_start))) <= 0.001 * m.fees
        )
)
SELECT
    source,
    account,
    max(m.month) AS month,
    currency,
    commitment,
    span,
    sum(m.billed_cost) AS billed_cost,
    sum(m.effective_cost) AS effective_cost
FROM spans
INNER JOIN bill USING (source, account)
INNER JOIN by_month AS m USING (source, account, commitment, currency)
WHERE
    (m.month = spans.span OR spans.span IN ('term', 'life'))
    AND bill.begins <= spans.begins
    AND bill.ends >= spans.ends + INTERVAL 14 DAY
    AND (
        SELECT count(*) FROM bill_months AS b
        WHERE
            b.source = spans.source
            AND b.account = spans.account
            AND b.month BETWEEN strftime(spans.begins, '%Y-%m') AND strftime(spans.ends - INTERVAL 1 SECOND, '%Y-%m')
    ) = date_diff('month', spans.begins, spans.ends - INTERVAL 1 SECOND) + 1
GROUP BY ALL
ORDER BY ALL
