"""Debt, budgets and lists of models: refused in the commit that would hold, which then takes
nothing; over memory and over PostgreSQL."""

from uuid import UUID, uuid4

from psycopg import AsyncConnection

from accounts.limits import ModelNotAllowed
from billing.budgets import Budget, BudgetExceeded, Period
from billing.budgets_sql import lock_budgets
from billing.ledger import Balance, Clawback, Hold, InDebt, Reinstatement, TransferMismatch
from storage.commits import Commit, Committed, Refused
from storage.committer import commit_conninfo
from tests.fix_commit import Customer, House, PostgresHouse


def of_key(customer: Customer, limit: int, period: Period = Period.MONTH) -> Budget:
    return Budget(customer.account_id, uuid4(), customer.key_id, period, limit)


def of_account(customer: Customer, limit: int) -> Budget:
    return Budget(customer.account_id, uuid4(), None, Period.TOTAL, limit)


def claw_back(customer: Customer, amount: int, id_: UUID | None = None) -> Commit:
    return Commit((Clawback(id_ or uuid4(), customer.account_id, amount),))


# ---- debt


async def test_a_clawback_takes_what_is_available_and_the_rest_is_a_debt(house: House) -> None:
    customer = await house.customer(credit=100)
    new = customer.new(30)
    await house.commit(customer.open(new))

    verdict = await house.commit(claw_back(customer, 90))

    assert verdict == Committed((Balance(30, 30, 20),))
    assert await house.operator("refunds") == 90
    assert await house.operator("debt") == -20


async def test_nothing_is_held_while_there_is_a_debt_but_what_costs_nothing(house: House) -> None:
    customer = await house.customer(credit=10)
    await house.commit(claw_back(customer, 25))

    refused = await house.commit(customer.open(customer.new(1)))
    free = await house.commit(customer.open(customer.new(0, sandbox=True)))

    assert refused == Refused(InDebt(15))
    assert isinstance(free, Committed)
    assert await house.in_flight(customer) == 1


async def test_whatever_becomes_available_pays_the_debt_first(house: House) -> None:
    customer = await house.customer(credit=100)
    settled, voided = customer.new(40), customer.new(60)
    await house.batch(customer.open(settled), customer.open(voided))
    await house.commit(claw_back(customer, 100))

    await house.commit(customer.settle(settled, 30))
    assert await house.balance(customer) == Balance(60, 60, 90)
    await house.commit(customer.void(voided))
    assert await house.balance(customer) == Balance(0, 0, 30)
    await house.commit(customer.credit(20))
    assert await house.balance(customer) == Balance(0, 0, 10)
    again = Reinstatement(uuid4(), customer.account_id, 100)
    assert await house.commit(Commit((again,))) == Committed((Balance(90, 0, 0),))
    assert await house.operator("debt") == 0


async def test_a_clawback_that_is_sent_again_takes_nothing_and_another_amount_is_refused(
    house: House,
) -> None:
    customer, id_ = await house.customer(credit=10), uuid4()
    await house.commit(claw_back(customer, 25, id_))

    again = await house.commit(claw_back(customer, 25, id_))
    other = await house.commit(claw_back(customer, 10, id_))

    assert again == Committed((Balance(0, 0, 15),), resent=True)
    assert other == Refused(TransferMismatch(id_))


# ---- budgets


async def test_a_hold_fits_the_tightest_budget_of_its_key_and_account(house: House) -> None:
    customer = await house.customer(credit=1000)
    wide, tight = of_account(customer, 100), of_key(customer, 60)
    await house.limit(wide)
    await house.limit(tight)
    first, second, third = (customer.new(amount) for amount in (50, 20, 10))

    verdicts = await house.batch(*map(customer.open, (first, second, third)))

    assert [type(verdict) for verdict in verdicts] == [Committed, Refused, Committed]
    exceeded = BudgetExceeded(tight.budget_id, Period.MONTH, 60, 20, 10, is_of_key=True)
    assert verdicts[1] == Refused(exceeded)
    assert await house.balance(customer) == Balance(1000, 60)
    assert await house.in_flight(customer) == 2


async def test_what_is_not_charged_returns_to_the_budget(house: House) -> None:
    customer = await house.customer(credit=1000)
    await house.limit(of_key(customer, 100, Period.DAY))
    settled, voided = customer.new(60), customer.new(40)
    await house.batch(customer.open(settled), customer.open(voided))

    await house.batch(customer.settle(settled, 25), customer.void(voided))

    assert isinstance(await house.commit(customer.open(customer.new(76))), Refused)
    assert isinstance(await house.commit(customer.open(customer.new(75))), Committed)


async def test_a_budget_of_another_key_or_account_limits_nobody_else(house: House) -> None:
    customer, other = await house.customer(credit=100), await house.customer(credit=100)
    await house.limit(of_account(other, 0))
    await house.limit(of_account(customer, 100))

    assert isinstance(await house.commit(customer.open(customer.new(100))), Committed)
    assert isinstance(await house.commit(other.open(other.new(1))), Refused)
    nobodys = Hold(uuid4(), other.account_id, 0)
    assert isinstance(await house.commit(Commit((nobodys,))), Committed)


# ---- models


async def test_a_key_with_a_list_uses_only_the_models_on_it(house: House) -> None:
    customer = await house.customer(credit=100)
    await house.allow(customer, "gpt-image-2", "veo-3.1")

    allowed = await house.commit(customer.open(customer.new(1)))
    refused = await house.commit(customer.open(customer.new(1, model="sora-2")))

    assert isinstance(allowed, Committed)
    assert refused == Refused(ModelNotAllowed("sora-2"))
    assert await house.balance(customer) == Balance(100, 1)
    assert await house.in_flight(customer) == 1


async def test_a_key_without_a_list_uses_every_model(house: House) -> None:
    customer = await house.customer(credit=100)
    await house.allow(customer, "veo-3.1")
    await house.allow(customer)

    assert isinstance(await house.commit(customer.open(customer.new(1))), Committed)


async def test_small_tables_leave_no_plan_that_reads_all_of_them_once_they_are_large(
    postgres_house: PostgresHouse,
) -> None:
    """As a committer's connection makes it: once, for as long as it lives."""
    customer = await postgres_house.customer(credit=10)
    async with await AsyncConnection.connect(commit_conninfo(postgres_house.url)) as connection:
        await connection.execute(
            "INSERT INTO budget (account_id, budget_id, period, limit_micros)"
            " SELECT %s, gen_random_uuid(), 'total', 9 FROM generate_series(1, 100)",
            (customer.account_id,),
        )
        await connection.execute(
            "INSERT INTO budget_hold SELECT account_id, budget_id, gen_random_uuid(), 'epoch'"
            " FROM budget, generate_series(1, 3)"
        )
        await connection.execute("ANALYZE budget, budget_hold")
        statement, _ = lock_budgets([], [uuid4()])
        await connection.execute(f"PREPARE look (uuid[], uuid[]) AS {statement}")
        cursor = await connection.execute("EXPLAIN (COSTS OFF) EXECUTE look ('{}', '{}')")
        plan = "\n".join(row[0] for row in await cursor.fetchall())
        await connection.rollback()

    assert "account_id = b.account_id" in plan.split("budget_hold_pkey")[1], plan
