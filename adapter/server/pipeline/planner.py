"""Plans chat requests: looks up names, limits, media and signatures once, then translates."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache, partial
from typing import NamedTuple

import msgspec

from adapter.server.limits.access import Client
from adapter.server.limits.work import Work
from adapter.server.pipeline.fallback import Place, Plans, Renewed, Route
from adapter.server.pipeline.model_lists import path_of_model
from adapter.server.prefixes.prefix_memory import PrefixMemory
from adapter.server.state.gemini_files import UPLOADED_AGAIN, FileNeeds, GeminiFiles
from adapter.server.state.name_owners import NameOwners
from adapter.settings import MAX_CACHED_NAME, Calendar, Catalogue, PlanSettings, find_served_model, next_models
from adapter.store import SignatureStore
from adapter.store.shared.base import Records
from adapter.translate.content.content_parts import file_ids, remote_urls
from adapter.translate.core.capabilities import ServedModel
from adapter.translate.core.context import Media
from adapter.translate.core.notes import Note, Rejected
from adapter.translate.native.pass_through import names_of, names_of_uris
from adapter.translate.plan import Plan, plan
from adapter.translate.prefix import LEAST, Prefix, Reading, next_prefix
from adapter.translate.signatures.history import Carried, History
from adapter.translate.turns.cut import last_block
from adapter.upstream.errors import UpstreamError
from adapter.upstream.media import MediaFetcher
from adapter.wire.openai.chat_request import ChatCompletionRequest, Message

NEEDS = FileNeeds()

MAX_NAMES = 1_000
"""The most names of models whose routes are remembered: clients choose names."""


def in_line(media: Mapping[str, Media]) -> dict[str, Media]:
    """Return only media whose content is in the request: another upstream has no copies of Gemini's files."""
    return {name: one for name, one in media.items() if not one.uri}


class _ModelRoutes(NamedTuple):
    """The model that a name stands for, the usual route of a request for it, and all routes in their order."""

    served: ServedModel
    usual: Route
    routes: list[Route]


class ChatPlanner:
    """Translates chat requests for the places that may answer them; the first of `places` is the usual one.

    A request that names what Gemini has made (files, caches) goes to the upstream and the key that made it. Where
    several clients share the keys for Gemini (`is_shared`), it names no other client's.
    """

    def __init__(  # noqa: PLR0913 - all that it works with
        self,
        settings: PlanSettings,
        places: Sequence[Place],
        calendar: Calendar,
        store: SignatureStore,
        fetcher: MediaFetcher | None,
        owners: NameOwners,
        *,
        is_shared: bool,
        files: GeminiFiles,
        prefixes: PrefixMemory,
    ) -> None:
        self._settings = settings
        self._places = places
        self._calendar = calendar
        self._store = store
        self._fetcher = fetcher
        self._owners = owners
        self._is_shared = is_shared
        self._files = files
        self._prefixes = prefixes
        self._platform = places[0].options.platform
        # The day's catalogue is a part of the key, so that a model's end changes its routes.
        self._find_routes = lru_cache(MAX_NAMES)(self._routes_of)

    @property
    def places(self) -> Sequence[Place]:
        """The upstreams, in the order in which they are asked."""
        return self._places

    def catalogue(self, place: Place | None = None) -> Catalogue:
        """Return today's models of a place, or of the first one."""
        return self._calendar.catalogue_of((place or self._places[0]).options.platform)

    async def plan(
        self,
        request: ChatCompletionRequest,
        unknown: Mapping[str, msgspec.Raw],
        client: Client,
        work: Work,
        *,
        carried: Carried | None = None,
        ledger_of: Callable[[list[Note]], list[Note]] | None = None,
        needs: FileNeeds = NEEDS,
        reading: Reading | None = None,
    ) -> Plans:
        """Translate a chat request. Raises `Rejected`; `UpstreamError` where a file cannot be uploaded.

        `carried` is what a Responses history carries; `ledger_of` makes the client's ledger of a plan's notes.
        `reading` is how it was read, if its history may be remembered.
        """
        client.check(request.model)
        # Clients choose names: a cache of very long ones would fill the memory.
        find = self._find_routes if len(request.model) <= MAX_CACHED_NAME else self._routes_of
        served, usual, routes = find(request.model, self._calendar.catalogue_of(self._platform))
        if (request.n or 1) > self._settings.max_choices:
            raise Rejected(
                "n", "limit-exceeded", f"at most {self._settings.max_choices} choices are served in one request"
            )
        prefix = None if reading is None else reading.prefix
        # Remembered histories name no files.
        later = request.messages if prefix is None else request.messages[prefix.count :]
        ids = file_ids(later)
        media = needs.known
        if media is None:
            media = await self._gather_media(later, ids, client, needs) if ids or self._fetcher is not None else {}
        # What files become is not remembered: the same name or URL may have another content next time.
        cut = 0 if reading is None or media else self._find_cut(reading)
        history = await work.run(History, request, carried, None if prefix is None else prefix.answers, cut)
        if history.has_answers:
            await self._look_up(history, client, work)

        def make(route: Route, at_hand: Mapping[str, Media] = media, added: Sequence[Note] = ()) -> Plan:
            model = served if route is usual else find_served_model(route.model, self.catalogue(route.place))
            own = at_hand if not ids or route.place is usual.place else in_line(at_hand)
            chosen = route.place.options
            earlier = None if prefix is None else prefix.turns_for(request, chosen, model.row)
            chat_plan = plan(
                request,
                unknown,
                model,
                chosen,
                media=own,
                history=history,
                earlier=earlier,
                # Remembered turns are valid for one model at one place, so only those of the usual route are worth the
                # work.
                cut=cut if route is usual else 0,
            )
            if ledger_of is None and not added:
                return chat_plan
            notes = [*added, *chat_plan.notes]
            return msgspec.structs.replace(chat_plan, notes=notes if ledger_of is None else ledger_of(notes))

        if reading is None:
            first = await work.run(make, usual)
        else:
            first, longer_prefix = await work.run(self._make_first, make, usual, history, reading)
            if longer_prefix is not None:
                self._prefixes.put(client.id, longer_prefix, prefix)
        pin = ""
        # With one client, one upstream and one key nothing depends on whose files a request names.
        is_choice = self._is_shared or len(self._places) > 1 or usual.place.upstream.has_several_keys
        if is_choice:
            names, pin = await self._names_in(first, client)
            # Copies of files that are stored here go to other upstreams in line; what Gemini has made is at this one
            # alone.
            if names and names - names_of_uris(one.uri for one in media.values()):
                routes = [route for route in routes if route.place is usual.place]
        renew = partial(self._renew, make, usual, media, client, work, needs.life, is_choice) if ids else None
        return Plans(first, routes, make, work, pin, renew)

    async def _gather_media(
        self, messages: Sequence[Message], ids: Sequence[str], client: Client, needs: FileNeeds
    ) -> dict[str, Media]:
        """Return the files that messages point to, and the stored ones that they name. Raises as `plan` does."""
        fetched = await self.fetch(remote_urls(messages))
        return {**fetched, **await self._files.media(ids, client, dry=needs.is_dry, life=needs.life)}

    async def _renew(
        self,
        make: Callable[..., Plan],
        usual: Route,
        media: Mapping[str, Media],
        client: Client,
        work: Work,
        life: float,
        is_choice: bool,
        error: UpstreamError,
    ) -> Renewed[Plan] | None:
        """Upload files again that Gemini has lost, and plan with the new ones; None: the error has another cause."""
        renewed = await self._files.renew(media, error, client, life=life)
        if renewed is None:
            return None
        remade = partial(make, at_hand={**media, **renewed}, added=(UPLOADED_AGAIN,))
        again = await work.run(remade, usual)
        return Renewed(again, remade, (await self._names_in(again, client))[1] if is_choice else "")

    def _routes_of(self, model: str, today: Catalogue) -> "_ModelRoutes":
        """Find the model that a name stands for today, and the routes of a request for it. Raises `Rejected`."""
        served = find_served_model(model, today)
        # Before anything else is looked up, so that every endpoint and the dry run refuse a name with the same error.
        path_of_model(served.model, self._places[0].upstream.settings.models)
        routes = self.routes(served.name, is_first_only=False)
        return _ModelRoutes(served, routes[0], routes)

    async def _names_in(self, plan: Plan, client: Client) -> tuple[set[str], str]:
        """Return the names of Gemini's files and caches in a plan, and the key that made them. Raises `NotStored`."""
        names = names_of(plan.body)
        return names, await self._owners.find_pin(names, client.id, strictly=self._is_shared) if names else ""

    def routes(self, model: str, *, is_first_only: bool) -> list[Route]:
        """Return the routes of a request for a model, in order; `is_first_only`: none leads to another upstream."""
        further = self._settings.fallback_models
        models = [model, *next_models(model, further)] if further else [model]
        places = self._places[:1] if is_first_only else self._places
        return [Route(place, one) for one in models for place in places]

    async def fetch(self, urls: Iterable[str]) -> dict[str, Media]:
        """Fetch the files that a request points to, if the operator allows it. Raises `FetchError`."""
        if self._fetcher is None:
            return {}
        fetched = await self._fetcher.fetch(urls)
        return {url: Media(mime_type=one.mime_type, data=one.data) for url, one in fetched.items()}

    def _find_cut(self, reading: Reading) -> int:
        """Return how many messages of a history to remember; 0: none."""
        if reading.size_bytes < LEAST or not self._prefixes.is_on or self._places[0].options.fields is not None:
            return 0
        return last_block(reading.request.messages, 0 if reading.prefix is None else reading.prefix.count)

    def _make_first(
        self, make: Callable[[Route], Plan], route: Route, history: History, reading: Reading
    ) -> tuple[Plan, Prefix | None]:
        """Return the plan for the usual route, and what is to be remembered of the request's first messages.

        Nothing is if the store could not be read for it.
        """
        plan = make(route)
        if plan.earlier is None or not history.is_complete:
            return plan, None
        return plan, next_prefix(reading, plan, history.answers_before_cut, self._prefixes.clock())

    async def _look_up(self, history: History, client: Client, work: Work) -> None:
        """Look up a history's records, by the ids and by the words of its answers."""
        ids = history.ids()
        records = await self._store.get(ids, client.id) if ids else _NO_RECORDS
        words = await work.run(_take, history, records)
        more = await self._store.get_by_words(words, client.id) if words else _NO_RECORDS
        history.is_complete = records.is_complete and more.is_complete
        if more:
            await work.run(history.take_words, more)


def _take(history: History, found: Records) -> list[str]:
    """Assign the records that were found by ids to a history; return the keys to look up next."""
    history.take(found)
    return history.words()


_NO_RECORDS = Records()
