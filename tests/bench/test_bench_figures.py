import orjson
import pytest

from bench.canned import Shape
from bench.figures import Figures, Run, by_cpu, combined, failover, measured, percentile, ratio
from bench.load import LoadError, wrk_run
from bench.report import as_json, floors, report
from bench.rows import ROWS, Memory, Results, Row, Target

SMALL_64 = next(row for row in ROWS if (row.group, row.connections) == ("small", 64))
SMALL_1 = next(row for row in ROWS if (row.group, row.connections) == ("small", 1))


def figures(per_second: float, cpu_us: float = 100.0, p50_ms: float = 1.0) -> Figures:
    return Figures(1, 100, 0, per_second, p50_ms, 2.0, None, cpu_us, 1.0, 0.0)


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, 1.0), (0.5, 50.0), (0.501, 51.0), (0.99, 99.0), (1.0, 100.0)]
)
def test_a_percentile_is_a_value_that_was_measured(share: float, expected: float) -> None:
    assert percentile([float(value) for value in range(100, 0, -1)], share) == expected


def test_a_run_without_a_good_answer_has_no_latency_and_counts_its_errors() -> None:
    assert measured([], [], errors=3, took=2.0) == Run(0, 3, 2.0, 0.0, 0.0)


def test_one_noisy_run_does_not_move_the_medians() -> None:
    quiet = Run(1000, 0, 2.0, p50=0.001, p99=0.002, cpu=1.0, foreign=0.1)
    noisy = Run(10, 1, 2.0, p50=0.9, p99=1.9, cpu=0.5, foreign=2.0)

    found = combined([quiet, noisy, quiet])

    assert (found.per_second, found.p50_ms, found.p99_ms) == (500.0, 1.0, 2.0)
    assert (found.cpu_us, found.busy, found.foreign) == (1000.0, 0.5, 0.05)
    assert (found.runs, found.requests, found.errors) == (3, 2010, 1)


def test_what_cannot_be_measured_is_absent_and_not_zero() -> None:
    found = combined([Run(10, 0, 1.0, 0.1, 0.1)])

    assert (found.cpu_us, found.busy, found.foreign, found.first_p50_ms) == (None,) * 4


def test_a_target_that_never_answered_gives_no_ratio() -> None:
    nobody = combined([Run(0, 5, 1.0, 0.0, 0.0)])

    assert ratio(figures(10), nobody) is None
    assert by_cpu(figures(10), nobody) is None
    assert ratio(figures(10), None) is None


def test_a_failover_is_compared_with_the_requests_before_it_and_without_the_deadline() -> None:
    found = failover([0.002, 0.002, 0.003], [0.505, 0.504], errors=1, waited=0.5)

    assert found.plain_p50_ms == pytest.approx(2.0)
    assert found.added_p50_ms == pytest.approx(2.0)
    assert found.added_p99_ms == pytest.approx(3.0)
    assert (found.samples, found.errors) == (2, 1)


def test_a_fault_without_a_sample_adds_nothing_known() -> None:
    assert failover([0.002], [], errors=25).added_p50_ms is None


def test_figures_of_wrk_are_microseconds_and_leave_refused_requests_out() -> None:
    line = (
        '{"requests":90,"refused":10,"errors":12,"duration_us":2000000,"p50_us":500,"p99_us":900}'
    )

    assert wrk_run(f"Running 2s test\n\n{line}\n") == Run(80, 12, 2.0, p50=0.0005, p99=0.0009)


@pytest.mark.parametrize("output", ["", "no figures", '{"requests":1}'])
def test_other_output_of_wrk_is_an_error(output: str) -> None:
    with pytest.raises(LoadError):
        wrk_run(output)


def full_results() -> Results:
    return Results(
        figures={
            (SMALL_1, Target.UPSTREAM): figures(40_000, p50_ms=0.02),
            (SMALL_1, Target.REAPI): figures(500, p50_ms=2.02),
            (SMALL_64, Target.NGINX): figures(35_000, cpu_us=20),
            (SMALL_64, Target.REAPI): figures(2_000, cpu_us=500),
        },
        faults={"500": failover([0.002], [0.003], errors=0)},
        memory=Memory(80 << 20, 120 << 20, 100 << 20, 60.0),
    )


def test_floors_stand_beside_what_was_measured_and_a_goal_three_times_as_good() -> None:
    found = {floor.name: floor for floor in floors(full_results())}

    rate = found["small image, 64 at once: of nginx's"]
    assert rate.value == pytest.approx(2 / 35)
    assert rate.floor == pytest.approx(1 / 35)
    assert rate.goal == pytest.approx(3 / 35)
    cpu = found["small image, 64 at once: CPU"]
    assert (cpu.value, cpu.floor, cpu.goal) == (500, 750, 250)
    assert found["small image, 1 at once: added p50"].value == pytest.approx(2.0)
    assert found["memory (PSS) at rest"].value == 100
    assert found["1.5 MB image, 8 at once: of nginx's"].value is None


def test_the_table_has_every_row_and_says_what_to_distrust() -> None:
    results = full_results()
    waiting = Figures(1, 100, 7, 9_000, 1.0, 2.0, None, 20.0, 0.3, 0.9)
    results.figures[SMALL_64, Target.NGINX] = waiting

    text = report(results)

    assert "1/4.5" in text
    assert "1/25.0" in text
    assert "! small image, 64 at once, nginx: 7 requests failed" in text
    assert "~ small image, 64 at once, nginx: its core was 30% busy" in text
    assert "other programs used up to 90% of a core" in text


def test_a_report_of_nothing_but_memory_can_be_printed() -> None:
    assert "memory of the gateway" in report(Results())


def test_the_json_can_be_read_back_and_keeps_every_figure() -> None:
    document = orjson.loads(orjson.dumps(as_json(full_results(), {"cores": 2})))

    assert document["setting"] == {"cores": 2}
    assert len(document["rows"]) == 4
    assert document["rows"][3]["target"] == "reAPI"
    assert document["rows"][3]["cpu_us"] == 500
    assert document["faults"]["500"]["added_p50_ms"] == pytest.approx(1.0)
    assert document["memory_pss_bytes"]["settled"] == 100 << 20


def test_a_row_is_found_by_what_it_is() -> None:
    results = Results(figures={(Row("large", "x", Shape.LARGE, 8), Target.NGINX): figures(5)})

    assert results.of("large", 8, Target.NGINX) == figures(5)
    assert results.of("large", 8, Target.REAPI) is None
