-- Spend per billing month.
-- grain: month (YYYY-MM, of the invoice), provider, service, team, currency
-- units: costs in `currency`, exact decimals; team as in macros/team_of.sql, empty where no tag names one
-- source: charges
SELECT
    x_Month AS month,
    coalesce(ServiceProviderName, x_Source) AS provider,
    ServiceName AS service,
    team_of(Tags) AS team,
    BillingCurrency AS currency,
    sum(BilledCost) AS billed_cost,
    sum(EffectiveCost) AS effective_cost,
    sum(ListCost) AS list_cost
FROM charges
GROUP BY ALL
ORDER BY ALL
