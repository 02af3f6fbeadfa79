"""What programs do with event loops, each in a process of its own, which must end by itself and without warnings.

Both limiters and both token stores are tested, because each has an object that belongs to a loop.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from small_programs import quiet, run_program

from spapi_async.auth import RedisTokenStore
from spapi_async.emulator import Emulator

# Redis works in all of these programs: on a busy machine it may take longer than the usual second to answer.
LIMITER = 'limiter=RedisRateLimiter(os.environ["REDIS"], timeout=30), '
STORE = 'tokens=RedisTokenStore(os.environ["REDIS"], keys=[os.environ["KEY"]], timeout=30), '
PARTS = {"local": "", "redis": LIMITER, "store": STORE, "both": LIMITER + STORE}
# pytest warns that it cannot rewrite the plugins' asserts, since a warm process has imported them.
PYTEST = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
each_part = pytest.mark.parametrize("parts", PARTS)
every_part = pytest.mark.parametrize("parts", ["local", "both"])  # "both" also finds what one leaves behind


@pytest.fixture
async def environ(redis_url: str) -> AsyncIterator[dict[str, str]]:
    """Environment variables with an emulator, a Redis and a key for its token store."""
    async with Emulator(rate_scale=1000) as emulator:
        yield {"EMULATOR": emulator.url, "REDIS": redis_url, "KEY": RedisTokenStore.new_key().reveal()}


@each_part
async def test_a_script_that_closes_its_application(parts: str, environ: dict[str, str], tmp_path: Path) -> None:
    """It is the program of the README's first page."""
    source = f"""
    async def main():
        async with application({PARTS[parts]}) as app:
            print(len(await order(app)))
    asyncio.run(main())
    """
    assert int(quiet(await run_program(source, tmp_path, environ))) > 0


@each_part
async def test_a_script_that_forgets_to_close(parts: str, environ: dict[str, str], tmp_path: Path) -> None:
    """It ends, and one warning names the application."""
    source = f"""
    async def main():
        app = application({PARTS[parts]})
        await order(app)
    asyncio.run(main())
    """
    outcome = await run_program(source, tmp_path, environ)
    quiet(outcome, warnings=1)
    assert "Application 'app' was not closed" in outcome.err
    assert "program.py" in outcome.err


@every_part
async def test_a_call_that_is_given_up_and_an_application_that_is_forgotten(
    parts: str, environ: dict[str, str], tmp_path: Path
) -> None:
    """``wait_for`` cancels calls that wait for quota; the loop ends at once."""
    source = f"""
    async def main():
        app = application({PARTS[parts]})
        seller = app.selling_partner("Atzr|a", region="na")
        calls = [seller.fba_inventory_v1.get_inventory_summaries(
            granularity_type="Marketplace", granularity_id="ATVPDKIKX0DER", marketplace_ids=["ATVPDKIKX0DER"]
        ) for _ in range(50)]
        try:
            await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), 0.5)
        except TimeoutError:
            pass
    asyncio.run(main())
    print("ended")
    """
    assert quiet(await run_program(source, tmp_path, environ), warnings=1) == "ended\n"


@every_part
async def test_one_application_in_several_runs(parts: str, environ: dict[str, str], tmp_path: Path) -> None:
    """``asyncio.run`` twenty times, as in task-queue workers: each run begins anew, tokens are kept, one warning."""
    source = f"""
    app = application({PARTS[parts]})
    for _ in range(20):
        asyncio.run(order(app))
    print(app._auth.statistics().access.fetched)
    """
    assert quiet(await run_program(source, tmp_path, environ), warnings=1) == "1\n"


@every_part
async def test_an_application_for_each_run(parts: str, environ: dict[str, str], tmp_path: Path) -> None:
    """Twenty tasks of a worker do not close their applications: one line says what to do."""
    source = f"""
    async def task():
        await order(application({PARTS[parts]}))
    for _ in range(20):
        asyncio.run(task())
    """
    outcome = await run_program(source, tmp_path, environ)
    quiet(outcome, warnings=1)
    assert "async with Application" in outcome.err


@every_part
async def test_one_application_in_three_threads_one_after_another(
    parts: str, environ: dict[str, str], tmp_path: Path
) -> None:
    """Each thread has a loop of its own, and the application works in each."""
    source = f"""
    app = application({PARTS[parts]})
    for _ in range(3):
        thread = threading.Thread(target=lambda: print(len(asyncio.run(order(app))) > 0))
        thread.start()
        thread.join()
    """
    assert quiet(await run_program(source, tmp_path, environ), warnings=1) == "True\n" * 3


@every_part
async def test_one_application_in_three_threads_at_once(parts: str, environ: dict[str, str], tmp_path: Path) -> None:
    """One thread uses it; the others get one error that says what to do."""
    source = f"""
    app = application({PARTS[parts]})
    first, done = threading.Event(), threading.Event()

    async def stay():
        async with app:
            await order(app)
            first.set()
            await asyncio.to_thread(done.wait)

    def other():
        first.wait()
        try:
            asyncio.run(order(app))
        except ConfigurationError as error:
            sys.stdout.write(str(error) + chr(10))  # in one piece

    threads = [threading.Thread(target=lambda: asyncio.run(stay())), *(threading.Thread(target=other) for _ in "ab")]
    for thread in threads:
        thread.start()
    for thread in threads[1:]:
        thread.join()
    done.set()
    threads[0].join()
    """
    lines = quiet(await run_program(source, tmp_path, environ)).splitlines()
    assert len(lines) == 2
    assert all("one loop at a time: make an Application for each loop" in line for line in lines)


@every_part
async def test_prefork_workers(parts: str, environ: dict[str, str], tmp_path: Path) -> None:
    """Children forked after the parent's loop has ended do not use its connections, which keep working."""
    source = f"""
    import warnings
    warnings.simplefilter("ignore", SPAPIWarning)
    app = application({PARTS[parts]})
    runner = asyncio.Runner()
    runner.run(order(app))
    children = []
    for _ in range(4):
        if not (child := os.fork()):
            asyncio.run(order(app))
            os._exit(0)
        children.append(child)
    print([os.waitpid(child, 0)[1] for child in children])
    print(len(runner.run(order(app))) > 0)
    runner.run(app.aclose())
    runner.close()
    """
    assert quiet(await run_program(source, tmp_path, environ)) == "[0, 0, 0, 0]\nTrue\n"


@pytest.mark.parametrize("parts", ["local", "store"])
async def test_a_loop_that_is_closed_by_hand(parts: str, environ: dict[str, str], tmp_path: Path) -> None:
    """The library is not told that this loop ends; the next one begins anew."""
    source = f"""
    app = application({PARTS[parts]})
    for _ in range(2):
        loop = asyncio.new_event_loop()
        loop.run_until_complete(order(app))
        loop.close()
    print("ended")
    """
    assert quiet(await run_program(source, tmp_path, environ), warnings=1) == "ended\n"


@every_part
async def test_a_loop_that_is_closed_as_documented(parts: str, environ: dict[str, str], tmp_path: Path) -> None:
    """Asyncio's documentation shuts the loop's generators down first, which is enough."""
    source = f"""
    app = application({PARTS[parts]})
    for _ in range(2):
        loop = asyncio.new_event_loop()
        loop.run_until_complete(order(app))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
    print("ended")
    """
    assert quiet(await run_program(source, tmp_path, environ), warnings=1) == "ended\n"


@every_part
async def test_cells_of_a_notebook(parts: str, environ: dict[str, str], tmp_path: Path) -> None:
    """One loop stands still between cells, applications are overwritten by the next cell, and nothing is closed."""
    source = f"""
    loop = asyncio.new_event_loop()
    for _ in range(3):
        app = application({PARTS[parts]})
        print(len(loop.run_until_complete(order(app))) > 0)
    """
    assert quiet(await run_program(source, tmp_path, environ), warnings=1) == "True\n" * 3


@every_part
async def test_two_loops_by_turns(parts: str, environ: dict[str, str], tmp_path: Path) -> None:
    """Neither is closed, and one runs at a time: the application works in each."""
    source = f"""
    app = application({PARTS[parts]})
    loops = [asyncio.new_event_loop(), asyncio.new_event_loop()]
    for turn in range(6):
        print(len(loops[turn % 2].run_until_complete(order(app))) > 0)
    loops[1].run_until_complete(app.aclose())
    for loop in loops:
        loop.close()
    """
    assert quiet(await run_program(source, tmp_path, environ)) == "True\n" * 6


@every_part
async def test_ctrl_c_in_the_middle_of_the_calls(parts: str, environ: dict[str, str], tmp_path: Path) -> None:
    """The program prints only the interrupt: the application is closed on the way out."""
    source = f"""
    async def main():
        async with application({PARTS[parts]}) as app:
            await order(app)
            print("at work")
            while True:
                await order(app)
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        print("interrupted")
    """
    outcome = await run_program(source, tmp_path, environ, interrupt_when="at work")
    assert quiet(outcome) == "at work\ninterrupted\n"


@every_part
async def test_a_program_that_stops_in_the_middle(parts: str, environ: dict[str, str], tmp_path: Path) -> None:
    """``sys.exit`` comes with calls under way and tasks that are not awaited."""
    source = f"""
    async def main():
        app = application({PARTS[parts]})
        tasks = [asyncio.create_task(order(app)) for _ in range(20)]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        sys.exit(0)
    asyncio.run(main())
    """
    quiet(await run_program(source, tmp_path, environ), warnings=1)


@every_part
async def test_uvloop(parts: str, environ: dict[str, str], tmp_path: Path) -> None:
    """The application is left open in one run and used again in the next."""
    pytest.importorskip("uvloop")
    source = f"""
    import uvloop
    app = application({PARTS[parts]})
    for _ in range(3):
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            print(len(runner.run(order(app))) > 0)
    """
    assert quiet(await run_program(source, tmp_path, environ), warnings=1) == "True\n" * 3


@every_part
async def test_pytest_with_loops_of_every_scope(parts: str, environ: dict[str, str], tmp_path: Path) -> None:
    """An application for each scope, tests in loops of that scope; warnings are errors, and there is none."""
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\nfilterwarnings = error\nasyncio_default_fixture_loop_scope = function\n"
    )
    source = "import pytest, pytest_asyncio\n"
    for scope in ("function", "class", "module", "package", "session"):
        source += f"""
@pytest_asyncio.fixture(scope={scope!r}, loop_scope={scope!r})
async def app_of_{scope}():
    async with application({PARTS[parts]}) as app:
        yield app

@pytest.mark.asyncio(loop_scope={scope!r})
class TestIn{scope}:
    async def test_one(self, app_of_{scope}):
        assert await order(app_of_{scope})

    async def test_another(self, app_of_{scope}):
        assert await order(app_of_{scope})
"""
    command = [*PYTEST, "program.py"]
    assert "10 passed" in quiet(await run_program(source, tmp_path, environ, command=command))


@every_part
async def test_a_session_wide_application_in_tests_with_a_loop_each(
    parts: str, environ: dict[str, str], tmp_path: Path
) -> None:
    """The fixture's loop stands still during a test; the application works in both, and is closed in its own."""
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\nasyncio_mode = auto\nfilterwarnings = error\nasyncio_default_fixture_loop_scope = function\n"
    )
    source = f"""
    import pytest, pytest_asyncio

    @pytest_asyncio.fixture(scope="session", loop_scope="session")
    async def app():
        async with application({PARTS[parts]}) as app:
            await order(app)
            yield app

    async def test_one(app):
        assert await order(app)

    async def test_another(app):
        assert await order(app)
    """
    command = [*PYTEST, "program.py"]
    assert "2 passed" in quiet(await run_program(source, tmp_path, environ, command=command))


async def test_prefork_workers_with_a_limiter_for_one_process(environ: dict[str, str], tmp_path: Path) -> None:
    """Each child warns once that quota is not shared, and begins without its parent's burst."""
    source = """
    app = application()
    for _ in range(2):
        if not os.fork():
            async def work():
                async with app:
                    await order(app)
                    await order(app)
            asyncio.run(work())
            os._exit(0)
        print(os.wait()[1])
    """
    outcome = await run_program(source, tmp_path, environ)
    assert quiet(outcome, warnings=2) == "0\n0\n"
    assert outcome.err.count("this process was forked") == 2


async def test_forked_workers_begin_with_empty_buckets(environ: dict[str, str], tmp_path: Path) -> None:
    """Four children of a process with a full bucket send nothing that Amazon would refuse."""
    source = """
    import warnings
    warnings.simplefilter("ignore", SPAPIWarning)
    app = application()
    runner = asyncio.Runner()
    runner.run(order(app))
    for _ in range(4):
        if not os.fork():
            async def work():
                async with app:
                    with call_options(max_wait=0):
                        await asyncio.gather(*(order(app) for _ in range(9)), return_exceptions=True)
            asyncio.run(work())
            os._exit(0)
    print([os.wait()[1] for _ in range(4)])
    runner.run(app.aclose())
    runner.close()
    """
    async with Emulator() as emulator:
        outcome = await run_program(source, tmp_path, {**environ, "EMULATOR": emulator.url})
        found = emulator.stats()["operations"]["catalog_items_2022_04_01.search_catalog_items"]
    assert quiet(outcome) == "[0, 0, 0, 0]\n"
    assert (found["requests"], found["throttled"]) == (1, 0)


async def test_an_unreachable_redis_is_logged_once_for_all_loops(environ: dict[str, str], tmp_path: Path) -> None:
    """A task queue that runs each task in a loop of its own prints one line."""
    source = """
    app = application(
        limiter=RedisRateLimiter("redis://127.0.0.1:9/0", timeout=0.2),
        tokens=RedisTokenStore("redis://127.0.0.1:9/0", keys=[os.environ["KEY"]], timeout=0.2),
    )
    for _ in range(5):
        asyncio.run(order(app))
    asyncio.run(app.aclose())
    """
    outcome = await run_program(source, tmp_path, environ)
    assert (outcome.code, outcome.err.count("cannot be used")) == (0, 2), outcome.err


async def test_an_unreachable_redis(environ: dict[str, str], tmp_path: Path) -> None:
    """The program works and ends; one line has the URL and what happens instead."""
    source = """
    async def main():
        async with application(limiter=RedisRateLimiter("redis://:PASSWORD@127.0.0.1:9/0", timeout=0.2)) as app:
            print(len(await order(app)) > 0)
            await asyncio.sleep(1)
    asyncio.run(main())
    """
    outcome = await run_program(source, tmp_path, environ)
    assert (outcome.code, outcome.out) == (0, "True\n")
    lines = outcome.err.splitlines()
    assert len(lines) == 1, outcome.err
    assert "redis://127.0.0.1:9/0" in lines[0]
    assert "this process spends its own part of each quota" in lines[0]
    assert "PASSWORD" not in outcome.err
