// Every model of the catalog and the category aliases, found by typing.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { date, tokens, words } from "../format.ts";
import { ALIASES, catalog, loadCatalog, providerName, type Alias, type Model } from "../state/catalog.ts";
import { settings } from "../state/settings.ts";
import { useStore } from "../state/store.ts";
import { Check, Search } from "./icons.tsx";
import { Dialog } from "./parts.tsx";

interface Group {
  name: string;
  provider?: string;
  items: (Alias | Model)[];
}

const isModel = (item: Alias | Model): item is Model => "provider" in item;
const usable = (item: Alias | Model): boolean => !isModel(item) || (item.chat && item.enabled);

export function ModelPicker(props: { onClose: () => void }) {
  const { models, state } = useStore(catalog);
  const chosen = useStore(settings).model;
  const [query, setQuery] = useState("");
  const groups = useMemo(() => grouped(models, query), [models, query]);
  const flat = useMemo(() => groups.flatMap((group) => group.items).filter(usable), [groups]);
  const [picked, setPicked] = useState<{ id: string; query: string } | null>(null);
  const list = useRef<HTMLDivElement>(null);

  const active = activeOf(flat, query, picked, chosen);
  const setActive = (id: string) => setPicked({ id, query });

  useEffect(() => void loadCatalog(), []);
  useEffect(() => {
    list.current?.querySelector(`[data-id="${CSS.escape(active)}"]`)?.scrollIntoView({ block: "nearest" });
  }, [active]);

  const choose = (id: string) => {
    settings.update({ model: id });
    props.onClose();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const at = flat.findIndex((item) => item.id === active);
    const moves: Record<string, number> = {
      ArrowDown: Math.min(flat.length - 1, at + 1),
      ArrowUp: Math.max(0, at - 1),
      PageDown: Math.min(flat.length - 1, at + 8),
      PageUp: Math.max(0, at - 8),
    };
    const to = moves[event.key];
    if (to !== undefined) {
      event.preventDefault();
      setActive(flat[to]?.id ?? "");
    } else if (event.key === "Enter" && active) {
      event.preventDefault();
      choose(active);
    }
  };

  return (
    <Dialog title="Choose a model" class="picker" onClose={props.onClose}>
      <label class="search">
        <Search />
        <input
          type="text"
          role="combobox"
          aria-expanded="true"
          aria-controls="models"
          aria-autocomplete="list"
          aria-activedescendant={active ? `model-${active}` : undefined}
          aria-label="Search models"
          placeholder="Name, provider, vision, free, dying"
          autocomplete="off"
          spellcheck={false}
          autofocus
          value={query}
          onInput={(event) => setQuery(event.currentTarget.value)}
          onKeyDown={onKeyDown}
        />
      </label>
      <div class="options" id="models" role="listbox" aria-label="Models" ref={list} tabIndex={-1}>
        {groups.map((group) => (
          <div role="group" aria-label={group.name} key={group.name}>
            <div class="group" role="presentation">
              <span class={group.provider ? "provider" : ""} data-provider={group.provider}>{group.name}</span>
            </div>
            {group.items.map((item) => (
              <Option
                key={item.id}
                item={item}
                chosen={item.id === chosen}
                active={item.id === active}
                onChoose={() => choose(item.id)}
                onHover={() => setActive(item.id)}
              />
            ))}
          </div>
        ))}
        {flat.length === 0 && groups.length === 0 && <p class="none">No model matches “{query}”.</p>}
        {state === "failed" && <p class="none">The model list could not be read. Auto still works when the server is back.</p>}
      </div>
    </Dialog>
  );
}

/**
 * The marked option: the one moved to, for as long as the query it was moved in stands; else the
 * chosen one in the whole list, the first of what was found. Never a state of its own that has to
 * catch up: a list that is read again, or a key pressed at once, must not move the mark.
 */
function activeOf(
  flat: (Alias | Model)[],
  query: string,
  picked: { id: string; query: string } | null,
  chosen: string,
): string {
  const has = (id: string) => flat.some((item) => item.id === id);
  if (picked?.query === query && has(picked.id)) return picked.id;
  if (query === "" && has(chosen)) return chosen;
  return flat[0]?.id ?? "";
}

function Option(props: {
  item: Alias | Model;
  chosen: boolean;
  active: boolean;
  onChoose: () => void;
  onHover: () => void;
}) {
  const { item } = props;
  const free = usable(item);
  return (
    <div
      class={isModel(item) ? "option" : "option alias"}
      role="option"
      id={`model-${item.id}`}
      data-id={item.id}
      data-active={props.active}
      aria-selected={props.chosen}
      aria-disabled={!free}
      onClick={free ? props.onChoose : undefined}
      onPointerMove={free && !props.active ? props.onHover : undefined}
    >
      <span class="tick">{props.chosen && <Check />}</span>
      <span class="name">{item.name}</span>
      {isModel(item) ? <ModelFacts model={item} /> : <span class="about">{item.about}</span>}
    </div>
  );
}

function ModelFacts(props: { model: Model }) {
  const { model } = props;
  const facts = [
    ...model.capabilities.filter((item) => item !== "TEXT").map(words),
    ...(model.features.includes("tools") ? ["tools"] : []),
    ...(model.contextWindow && model.chat ? [`${tokens(model.contextWindow)} window`] : []),
    model.free ? "free" : "paid",
    ...(model.enabled ? [] : ["disabled"]),
    ...(model.enabled && !model.chat ? ["not for chat"] : []),
  ];
  return (
    <>
      <span class="badges">
        {model.health && model.health !== "HEALTHY" && (
          <span class="badge" data-health={model.health}>{words(model.health)}</span>
        )}
        <Lifecycle model={model} />
      </span>
      <span class="about">
        {facts.join(" · ")}
        {model.status === "DEAD" && model.replacement && <> · replaced by {model.replacement}</>}
        {model.servedBy && <> · served by {model.servedBy}</>}
      </span>
    </>
  );
}

function Lifecycle(props: { model: Model }) {
  const { status, shutdownDate } = props.model;
  const when = shutdownDate ? ` ${date(shutdownDate)}` : "";
  return (
    <span class="badge" data-status={status}>
      {status === "ACTIVE" ? "ACTIVE" : `${status}${when}`}
    </span>
  );
}

const ORDER = { ACTIVE: 0, DYING: 1, DEAD: 2 } as const;

/** Aliases first, then providers in the catalog's order; what can be asked before what cannot. */
function grouped(models: Model[], query: string): Group[] {
  const terms = query.toLowerCase().split(/\s+/).filter(Boolean);
  const matches = (text: string) => terms.every((term) => text.includes(term));
  const groups = new Map<string, Group>();
  const aliases = ALIASES.filter((alias) => matches(`${alias.id} ${alias.name} ${alias.about}`.toLowerCase()));
  if (aliases.length > 0) groups.set("", { name: "Let the router choose", items: aliases });
  for (const model of models) {
    if (!matches(searchText(model))) continue;
    const group = groups.get(model.provider) ?? {
      name: providerName(model.provider),
      provider: model.provider,
      items: [],
    };
    group.items.push(model);
    groups.set(model.provider, group);
  }
  const rank = (item: Alias | Model) => (isModel(item) ? ORDER[item.status] + (usable(item) ? 0 : 10) : 0);
  for (const group of groups.values()) {
    if (group.provider) group.items.sort((a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name));
  }
  return [...groups.values()];
}

const searchText = (model: Model): string =>
  [
    model.id, model.name, model.provider, providerName(model.provider), model.status, model.health,
    model.free ? "free" : "paid", ...model.capabilities, ...model.capabilities.map(words), ...model.features,
  ].join(" ").toLowerCase();
