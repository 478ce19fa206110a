"""A command on corpora as the command line gives it: entries chosen, stages run, all of it told, and an exit code."""

import os
import time
import traceback
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from care_data.bars import Bars
from care_data.console import (
    bundle_line,
    complain,
    complaint,
    load_tables,
    print_files,
    print_json,
    print_plan,
    print_result,
    print_retrieved,
    result_json,
    stage_line,
)
from care_data.errors import CareError, Exit
from care_data.options import Options
from care_data.summaries import files_json, plan_json

if TYPE_CHECKING:
    from care_data.entries import Entry
    from care_data.pipeline import RunResult
    from care_data.stages import Settings, StageResult
    from care_data.stages.mixing import Mix


def _select(options: Options, failures: dict[str, CareError]) -> "list[Entry]":
    """The entries asked for; failures: why some of them cannot be loaded."""
    from care_data import registry

    if not options.corpora and not options.every:
        raise CareError("no corpus named", fix="Name corpora or groups, or say --all.", code=Exit.USAGE)
    for name in options.corpora or []:
        if _is_rows(name):
            fix = "Only dedupe takes files: care-data dedupe FILE --on FIELD --out FOLDER."
            raise CareError(f"{name} is a path, not a corpus", fix=fix, code=Exit.USAGE)
    entries = registry.select(["all"] if options.every else options.corpora or [], failures)
    tell_troubles(failures)
    return entries


def _is_rows(name: str) -> bool:
    """Whether a name is not a corpus's but a file's, of a kind that holds rows."""
    if "." not in name or not os.path.isfile(name):
        return False
    from care_data.datafiles import is_rows

    return is_rows(Path(name))


def tell_troubles(failures: dict[str, CareError]) -> list[str]:
    """Complain of what is wrong with the registry's folders, and of entries that cannot be loaded; each once."""
    from care_data import registry

    told = list(dict.fromkeys(map(str, [*registry.troubles(), *failures.values()])))
    for text in told:
        complain(text)
    return told


def _settings(options: Options, failures: dict[str, CareError], entries: "list[Entry]", bars: Bars) -> "Settings":
    """What the stages are told. CareError (2) for an output that is none, or hosts that cannot be."""
    from care_data.engines import check_engine
    from care_data.sources.hosts import load_hosts
    from care_data.stages import Settings
    from care_data.stages.changes import parse_changes
    from care_data.store import Store

    asked = frozenset(options.outputs or [])
    known = {f"{entry.name}.{output}" for entry in entries for output in entry.outputs}
    for unknown in sorted(asked - known):
        raise CareError(f"no output {unknown!r}", fix=f"Outputs are: {', '.join(sorted(known))}.", code=Exit.USAGE)

    check_engine(options.engine)
    if options.mirror == "":
        raise CareError("--mirror is empty", fix="Name a folder or an address.", code=Exit.USAGE)

    def failed(corpus: str, error: CareError) -> None:
        bars.end("fetch", corpus)
        bars.say(complaint(str(error), error.details))
        _trace(error)

    return Settings(
        store=Store(options.to.expanduser()),
        mirror=options.mirror,
        workers=options.workers,
        max_bad=options.max_bad,
        outputs=asked,
        progress=bars.advance,
        failed=failed,
        say=bars.say,
        hosts=load_hosts(options.hf_endpoint, options.send_token),
        accept_changed=options.accept_changed,
        permitted=options.permitted or os.environ.get("CARE_CRAWL") == "yes",
        index=options.index.expanduser() if options.index else None,
        engine=options.engine,
        address=options.address,
        pii=options.pii,
        changes=parse_changes(options.changes or []),
        dedupe=_rules(options),
        against=tuple(options.against or ()),
        mix=_mix(options),
    )


def _mix(options: Options) -> "Mix":
    """What the command line says of the records of a release."""
    from care_data.stages.mixing import Mix, parse_numbers

    return Mix(
        licence=options.licence,
        shares=parse_numbers(options.max_share or [], "--max-share"),
        weights=parse_numbers(options.weight or [], "--weight"),
        sample=options.sample,
        splits=parse_numbers(options.split or [], "--split"),
        seed=options.seed,
    )


def _rules(options: Options) -> dict[str, Any]:
    """What the command line says of duplicates."""
    asked = {name: getattr(options, name) for name in ("threshold", "miss", "exhaustive", "by_optimum", "scheme")}
    return {name: value for name, value in asked.items() if value not in (None, False)}


def bring_releases(options: Options) -> int:
    """Fetch published releases, each named hub:NAMESPACE/NAME@TAG; the exit code."""
    from care_data.publishing.retrieval import bring_release
    from care_data.sources.hosts import load_hosts
    from care_data.store import Store

    if asked := [name for name in ("dry_run", "bundle", "pin") if getattr(options, name)]:
        fix = "Leave it out: a published release is held to its own manifest."
        raise CareError(f"--{asked[0].replace('_', '-')} is for corpora", fix=fix, code=Exit.USAGE)
    store, told = Store(options.to.expanduser()), []
    hosts = load_hosts(options.hf_endpoint, options.send_token)
    with store.lock(), Bars() as bars:
        for name in options.corpora or []:
            if not name.startswith("hub:"):
                fix = "Fetch corpora and releases by a command each."
                raise CareError(f"{name} is no published release", fix=fix, code=Exit.USAGE)

            def advance(path: str, done: int, total: int | None, name: str = name) -> None:
                bars.advance("fetch", name, done, total)

            told.append(bring_release(name, store, hosts=hosts, mirror=options.mirror, progress=advance))
    if options.as_json:
        lines = [{"folder": str(each.folder), "fresh": each.fresh, "counts": each.manifest.counts} for each in told]
        print_json({"releases": lines})
    else:
        print_retrieved(told)
    return Exit.DONE


def tell_plan(options: Options) -> int:
    """Tell what a fetch would bring; the exit code."""
    from care_data.stages.plans import free_space, plan_corpora

    failures: dict[str, CareError] = {}
    entries = _select(options, failures)
    settings = _settings(options, failures, entries, Bars())
    plans, unplanned = plan_corpora(entries, settings)
    for error in unplanned.values():
        complain(str(error), error.details)
    failures |= unplanned
    free = free_space(settings.store.root)
    if options.as_json:
        print_json(plan_json(plans, entries, failures, free))
    else:
        print_plan(plans, entries, free, settings.store.root)
    return _exit_code(failures, len(plans))


def dedupe_given_files(options: Options) -> int:
    """Keep one of rows alike in files that are no corpus, and tell of it; the exit code."""
    from care_data.stages.deduplication import make_rules
    from care_data.stages.file_deduplication import dedupe_files, parse_groups

    if options.out is None or not options.corpora:
        missing, fix = ("--out", "Name the folder for the result.") if options.corpora else ("files", "Name some.")
        raise CareError(f"{missing} missing", fix=fix, code=Exit.USAGE)
    started, bars = time.monotonic(), Bars()
    rules = make_rules(_rules(options))

    def advance(step: str, done: int, total: int | None) -> None:
        if step == "write" and not done and not options.as_json:
            load_tables()  # while the files are written, mostly without the interpreter
        bars.advance("dedupe", step, done, total)

    with bars:
        result = dedupe_files(
            [Path(name).expanduser() for name in options.corpora],
            parse_groups(options.on) if options.on else None,
            rules,
            options.out.expanduser(),
            options.workers,
            advance,
            options.id_field,
            options.index.expanduser() if options.index else None,
            options.engine,
            options.address,
            bars.say,
        )
    seconds = time.monotonic() - started
    if options.as_json:
        print_json(files_json(result, options.out, seconds))
    else:
        print_files(result, options.out, seconds)
    return int(Exit.DONE)


def run(options: Options, last: str) -> int:
    """Run the stages up to `last` and tell what they did, whatever ends them; the exit code."""
    from care_data import bundles
    from care_data.pipeline import RunResult, run_stages
    from care_data.store import disk_error

    started, result = time.monotonic(), RunResult()
    entries = _select(options, result.failures)
    bars = Bars(len(entries))
    settings = _settings(options, result.failures, entries, bars)

    def report(corpus: str, done: "StageResult") -> None:
        bars.end(done.manifest.stage, corpus)
        bars.say(stage_line(corpus, done, settings))

    more: dict[str, Any] = {}
    try:
        if options.pin and options.mirror:
            fix = "Pins are taken from upstream itself: leave one of them out."
            raise CareError("--pin and --mirror do not go together", fix=fix, code=Exit.USAGE)
        if options.bundle is not None:
            bundles.refuse_foreign(options.bundle.expanduser())
        waiting = (lambda holder: complain(f"waiting for {holder}, which is at work here")) if last == "fetch" else None
        with settings.store.lock(waiting), bars:
            run_stages(entries, settings, last, report, options.name, result)
            more = _follow(options, entries, settings, result, bars)
    except (CareError, OSError) as problem:
        error = problem if isinstance(problem, CareError) else disk_error(problem, settings.store.root)
        complain(str(error), error.details)
        _trace(problem)
        more = {"error": str(error), "code": int(error.code)}
        more |= {"details": list(error.details)} if error.details else {}
    seconds = time.monotonic() - started
    _tell_left_out(result.failures)
    if options.as_json:
        print_json({**result_json(result, seconds), **more})
    elif "error" not in more:
        print_result(result, last, seconds, settings.store.root)
    if "error" in more:
        return int(more["code"])
    return _exit_code(result.failures, sum(entry.name not in result.failures for entry in entries))


def _follow(
    options: Options, entries: "list[Entry]", settings: "Settings", result: "RunResult", bars: Bars
) -> dict[str, Any]:
    """What comes after a fetch, where asked for: pins in the entries, a bundle of the files."""
    from care_data import bundles, pins

    more: dict[str, Any] = {}
    alive = [entry for entry in entries if entry.name in result.fetched]
    if options.pin:
        more["pinned"] = {}
        for entry in alive:
            try:
                pinned = pins.pin(entry, result.fetched[entry.name].manifest, settings.store)
            except CareError as error:
                result.failures[entry.name] = error if entry.name in error.where else error.within(entry.name)
                settings.failed(entry.name, result.failures[entry.name])
            else:
                more["pinned"][entry.name] = {"entry": str(entry.path), **asdict(pinned)}
                warnings = "".join(f"\n         warning: {text}" for text in pinned.warnings)
                bars.say(f"pin      {entry.name}: {pinned.files} files → {entry.path}{warnings}")
    if options.bundle is not None and alive:
        bundle = bundles.pack(alive, settings.store, options.bundle.expanduser(), settings.progress)
        more["bundle"] = bundle.to_json()
        bars.end("bundle", "files")
        bars.say(bundle_line(bundle))
    return more


def _exit_code(failures: dict[str, CareError], done: int) -> int:
    """0 where nothing failed, the first failure's where all did, else 3."""
    first = next(iter(failures.values()), None)
    return int(Exit.DONE if first is None else Exit.PARTIAL if done else first.code)


def _tell_left_out(failures: dict[str, CareError]) -> None:
    if failures:
        complain(f"{', '.join(failures)} {'is' if len(failures) == 1 else 'are'} left out.")


def _trace(error: BaseException) -> None:
    """The traceback, where it was asked for."""
    if "CARE_DEBUG" in os.environ:
        traceback.print_exception(error)
