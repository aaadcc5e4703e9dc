"""What is ours: policy, tuning, the store and its indexes, the evidence bucket. Pure: asks its ports."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from responder import braking, policy
from responder.doctor.lines import Check, Line
from responder.doctor.ports import Case
from responder.errors import NoticesError, PolicyError, SettingsError, StoreDenied, StoreError
from responder.notices import config as notices
from responder.settings import Settings
from responder.triage.tuning import parse

POLICY_UNKNOWN: Final = (
    "the policy that the functions have was not given, so that nobody knows who opted in",
    "set RESPONDER_POLICY to the same file here",
)


def policy_of(case: Case) -> policy.Policy:
    """The policy in force; one that names nobody where there is none, or where it is wrong (another line says so)."""
    try:
        return policy.parse(case.file(case.settings.policy)) if case.settings.policy else policy.NONE
    except (OSError, PolicyError):
        return policy.NONE


def notices_of(case: Case) -> notices.Notices:
    """Who is told; nobody where no file is named, or where it is wrong (another line says so)."""
    try:
        return notices.parse(case.file(case.settings.notices)) if case.settings.notices else notices.NONE
    except (OSError, NoticesError):
        return notices.NONE


def secrets(case: Case) -> tuple[str, ...]:
    """The secrets that hold channels' addresses: `projects/P/secrets/S`."""
    places = [one.webhook.removeprefix("secret:") for one in notices_of(case).channel if "secret:" in one.webhook]
    return tuple(dict.fromkeys(place.partition("/versions/")[0] for place in places))


def capturing(case: Case) -> tuple[str, ...]:
    """The projects where commands may run in containers."""
    return tuple(one.id for one in policy_of(case).project if one.capture)


def removing(case: Case) -> tuple[str, ...]:
    """The projects where a pod may be deleted."""
    return tuple(one.id for one in policy_of(case).project if one.remediate in {"approve", "auto"})


def opted_in(case: Case) -> tuple[str, ...]:
    """The projects where something may be captured or deleted."""
    return tuple(dict.fromkeys((*capturing(case), *removing(case))))


def files(case: Case, theirs: Settings | None) -> Iterator[Line]:
    """The three files: right, or with the line that is not. `theirs` are the settings of `respond`."""
    check = Check("policy", case.settings.policy or "RESPONDER_POLICY")
    if not case.policy_known:
        yield check.unchecked(*POLICY_UNKNOWN)
    elif theirs is not None and case.settings.policy and not theirs.policy:
        yield check.wrong(
            "it is set here, and the functions have none: nothing is ever done", "mount it, and set it there"
        )
    elif not case.settings.policy:
        yield check.ok("not set: nothing is deleted, and no command runs in any container")
    else:
        yield _read(case, check)
    if theirs is not None and theirs.notices and not case.settings.notices:
        mend = "set RESPONDER_NOTICES to the same file here"
        yield Check("notices", "RESPONDER_NOTICES").unchecked("the functions have a file that was not given", mend)
    else:
        yield _told(case)
    check = Check("tuning", case.settings.triage or "RESPONDER_TRIAGE")
    if theirs is not None and theirs.triage and not case.settings.triage:
        yield check.unchecked(
            "the functions have a file that was not given", "set RESPONDER_TRIAGE to the same file here"
        )
        return
    if not case.settings.triage:
        yield check.ok("not set: the built-in rules judge")
        return
    try:
        parse(case.file(case.settings.triage).decode("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        yield check.wrong(f"it cannot be read: {type(error).__name__}", "mount the file where RESPONDER_TRIAGE says")
    except SettingsError as error:
        yield check.wrong(str(error), "mend the file; until then the built-in rules judge")
    else:
        yield check.ok("it can be read")


def _read(case: Case, check: Check) -> Line:
    try:
        found = policy.parse(case.file(case.settings.policy))
    except OSError as error:
        mend = "mount the file where RESPONDER_POLICY says; until then nothing is acted on"
        return check.wrong(f"it cannot be read: {type(error).__name__}", mend)
    except PolicyError as error:
        return check.wrong(str(error), "mend the file; until then nothing is acted on")
    return check.ok(f"right; {len(found.project)} named, {len(opted_in(case))} of them opted in")


def _told(case: Case) -> Line:
    check = Check("notices", case.settings.notices or "RESPONDER_NOTICES")
    if not case.settings.notices:
        return check.ok("not set: nobody is told of anything")
    try:
        found = notices.parse(case.file(case.settings.notices))
    except OSError as error:
        return check.wrong(f"it cannot be read: {type(error).__name__}", "mount the file where RESPONDER_NOTICES says")
    except NoticesError as error:
        return check.wrong(str(error), "mend the file; until then nobody is told")
    audiences = {channel.audience for channel in found.channel}
    if "team" not in audiences:
        return check.advice("no channel is the team's: nobody hears of what is suspicious", "add one for the team")
    back = "; SCC gets our marks" if found.write_back else ""
    return check.ok(f"right; channels: {', '.join(channel.name for channel in found.channel)}{back}")


def store(case: Case) -> Iterator[Line]:
    """The record store answers; on Firestore, the database is of the right kind and has each index."""
    place = case.settings.store
    check = Check("store", place)
    try:
        case.store(case.settings)
    except StoreDenied as error:  # to whoever asks: what the functions may do is asked in their own names
        mend = "grant yourself the role reader: people.readers of the module, or deploy/iam/reader.yaml by hand"
        yield check.unchecked(f"denied: {error}", mend)
    except StoreError as error:
        yield check.wrong(str(error), "create the database, or grant the role reader to whoever asks")
    else:
        yield check.ok("it answers")
    if place.startswith("firestore:"):
        project, _, name = place.removeprefix("firestore:").partition("/")
        yield from _native(case, "store.database", place)
        yield from Check("store.indexes", place).asking(
            lambda: _indexes(case, project, name), gone=("there is no such database", _create(project, name))
        )


def _create(project: str, name: str) -> str:
    where = f"--project={project} --database={name} --location=LOCATION"
    return f"gcloud firestore databases create {where} --type=firestore-native"


def actions(case: Case) -> Iterator[Line]:
    """The second database, of brakes, approvals and intents: it is there, and of the right kind."""
    if case.settings.actions.startswith("firestore:"):
        yield from _native(case, "actions.database", case.settings.actions)


def _native(case: Case, name: str, place: str) -> Iterator[Line]:
    project, _, database = place.removeprefix("firestore:").partition("/")
    check = Check(name, place)

    def ask() -> Iterator[Line]:
        kind = case.sources.database(project, database).type
        mend = "create another database of type FIRESTORE_NATIVE: the mode cannot be changed"
        yield check.either(kind == "FIRESTORE_NATIVE", "native mode", f"its type is {kind or 'unknown'}", mend)

    yield from check.asking(ask, gone=("there is no such database", _create(project, database)))


def _indexes(case: Case, project: str, name: str) -> Iterator[Line]:
    check = Check("store.indexes", case.settings.store)
    # An index of collection groups serves no query of one collection.
    every = [index for index in case.sources.indexes(project, name) if index.query_scope == "COLLECTION"]
    found = {index.key: index.state for index in every}
    missing = [key for key in case.needs.indexes if key not in found]
    building = [key for key in case.needs.indexes if found.get(key, "READY") != "READY"]
    if missing:
        shown = "; ".join(f"{key[0]}: {', '.join(key[1:])}" for key in missing[:3])
        mend = "create them from deploy/firestore.indexes.json: a query without its index is refused"
        yield check.wrong(f"{len(missing)} of {len(case.needs.indexes)} are missing: {shown}", mend)
    elif building:
        detail = f"{len(building)} of {len(case.needs.indexes)} are not ready"
        yield check.wrong(detail, "wait until Firestore has built them; until then their queries are refused")
    else:
        yield check.ok(f"all {len(case.needs.indexes)} are ready")


def brake(case: Case) -> Iterator[Line]:
    """Whether a brake is on. One that cannot be read holds every action as well."""
    place = case.settings.actions
    if not place:
        return
    check = Check("brake", place)
    try:
        brakes = braking.on(case.brakes(case.settings))
    except StoreDenied as error:
        mend = "grant yourself the role actions: people.operators of the module, or deploy/iam/actions.yaml by hand"
        yield check.unchecked(f"denied: {error}", mend)
        return
    except StoreError as error:
        mend = "create the database of RESPONDER_ACTIONS, or grant the role actions to whoever asks"
        yield check.wrong(f"it cannot be read, which counts as on: {error}", mend)
        return
    for line, one in zip(braking.told(brakes), brakes, strict=True):
        yield check.advice(line, f"responder brake off{f' --project {one.project}' if one.project else ''} --why TEXT")
    if not brakes:
        yield check.ok("no brake is on")


def evidence(case: Case) -> Iterator[Line]:
    """The bucket of evidence: no rights of single objects, closed to the public, objects kept."""
    place = case.settings.evidence
    if not place.startswith("gs://"):
        return
    name = place.removeprefix("gs://").partition("/")[0]
    check = Check("evidence.bucket", f"gs://{name}")
    flags = "--uniform-bucket-level-access --public-access-prevention --retention-period=365d"
    create = f"gcloud storage buckets create gs://{name} --project=PROJECT --location=LOCATION {flags}"
    gone = ("there is no such bucket", create)
    yield from check.asking(lambda: _bucket(case, check, name), gone=gone)


def _bucket(case: Case, check: Check, name: str) -> Iterator[Line]:
    bucket = case.sources.bucket(name)
    iam = bucket.iam_configuration
    update = f"gcloud storage buckets update gs://{name}"
    faults = []
    if not iam.uniform_bucket_level_access.enabled:
        faults.append(("single objects can have rights of their own", f"{update} --uniform-bucket-level-access"))
    if iam.public_access_prevention != "enforced":
        faults.append(("public access is not prevented", f"{update} --public-access-prevention"))
    if bucket.retention_policy is None or bucket.retention_policy.retention_period in {"", "0"}:
        faults.append(("objects may be deleted at once", f"{update} --retention-period=365d"))
    yield from (check.wrong(detail, mend) for detail, mend in faults)
    if not faults:
        yield check.ok("uniform, closed to the public, with a retention")
