"""Three kinds of work told by their vocabulary: code, mathematics and logic, planning.

Each word weighs what it is worth as evidence by itself; a signal is their sum with what the form of
the text adds (code syntax, formulas, numbers with a question, several constraints). One weak word
never decides.
"""

from __future__ import annotations

import re

from shared.classify.turn import Head, Kind, Turn
from shared.classify.words import NONE, Pattern, Signal, weights, words

_CODE_WORDS = weights(
    w50="yaml one-liner tkinter indentation onclick vim emacs vscode gradle maven cmake redis "
    "kafka elasticsearch firestore supabase selenium playwright cypress eslint tailwind flutter "
    "verilog vhdl fortran lua elixir erlang clojure ocaml wasm redux prisma cors jwt stdin "
    "stdout malloc goroutine mermaid plantuml tikz graphviz latex python javascript typescript "
    "c++ c# golang php kotlin scala haskell perl matlab sql mysql postgresql postgres sqlite "
    "mongodb html css scss sass jsx tsx vue django flask fastapi node.js nodejs next.js jquery "
    "numpy pandas pytorch tensorflow matplotlib dockerfile kubernetes terraform ansible bash "
    "powershell regex regexp graphql webpack pytest junit laravel vba makefile solidity svg "
    "nullpointerexception typeerror keyerror segfault stacktrace pseudocode async/await linq "
    "opencv typescript's crud",
    w35="segmentation deadlock polymorphism enum struct tuple dictionary comprehension coroutine "
    "callback dom props aws azure lambda kernel terminal-command makefile vectorize leetcode "
    "unit-testing onclick navbar dropdown landing-page cmd sudo chmod grep awk sed binary bubble "
    "trie dijkstra bfs dfs heap memoization diff scraper java react angular svelte json yaml xml "
    "docker github git api endpoint function functions recursion recursive linked-list backend "
    "frontend compiler debug unit-test refactor codebase webpage website snippet closure "
    "pointers mutex decorator iterator generics lambda div pagination websocket oauth middleware "
    "orm cli subprocess quicksort mergesort hashmap bugfix syntax npm pip cron boolean nginx ssh "
    "linux code programming coding stylesheet webhook localhost async await enum lru excel",
    w25="formula macro curl requests sheet cell cells password landing fault tuples inheritance "
    "interface promise hook hooks state route controller join index socket request headers http "
    "lambda training-loop cnn model github workflow actions stack overflow complexity exit "
    "inputs rust ruby swift go c r express spring assembly shell loop array arrays variable "
    "variables schema app query queries component method class script program algorithm database "
    "exception bug error compile commit branch repo repository string integer null undefined "
    "queue stack hash parser thread library module package column rows unit-tests button page "
    "cache list tree linked sort server deploy csv type types",
)
_CODE_VERBS = words(
    "write implement code program debug fix refactor optimize optimise convert port create build "
    "make add explain develop test generate review rewrite complete translate design parse how "
    "why what sort"
)
# What is written when code is written; the weak ones only where a purpose follows ("that", "to").
_CODE_MAKERS = words("write implement create build code make develop generate program give design")
_CODE_OBJECTS = words(
    "function functions api query regex endpoint component algorithm website webpage app parser "
    "scraper crawler cli bot unit-tests snippet code schema microservice module hook"
)
_CODE_OBJECTS_WEAK = words("program script class method form tool tests test game")
_PURPOSE = words("that to which in using with called")
_CODE_DOING = words("debug refactor implement compile code program")
_CODE_FALSE = words("dress zip area qr bar penal civil building genetic morse country promo tax of")
_FACTS = words("released created invented founded named born died creator inventor history year")
_CODE_SIGNS = frozenset("(){};=<>#[]")
# Signs of code that say it by themselves, and patterns sought only where their signs stand: one
# expression of all of them would be tried at every letter, which took as long as all else together.
_CODE_MARKS = ("=>", "#include", "==", "&&", "^(?", "\\d", "(?:", "(?=", "(?!")
_CODE_FORMS: tuple[tuple[str, Pattern], ...] = tuple(
    (needed, Pattern(source))
    for needed, source in (
        ("def ", r"\bdef \w+\("),
        ("class ", r"\bclass \w+\s*[:({]"),
        ("function", r"\bfunction\s*\w*\("),
        ("=", r"\b(?:const|let|var|int) \w+ ?="),
        ("(", r"\b(?:int|void|public|static|for|while|if) ?\("),
        ("</", r"</\w+>"),
        (");", r"\w\(\w*\);"),
        (";", r";\s*\n"),
        ("import ", r"\bimport \w+;?\n"),
        ("(", r"\.(?<=\w\.)\w+\([^)\n]{0,80}\)"),
        ("Error:", r"\wError:"),
        ("Exception", r"\wException\b"),
        ("++", r"\w\+\+"),
    )
)
# Syntax is sought in this many characters: more of them say no more.
_SYNTAX_WINDOW = 800
_CALL = Pattern(r"\b[a-z]{2,}_[a-z]\w*|\b\w{2,}\(\)")  # snake_case and called()
_SQL = Pattern(r"\bSELECT\b.{1,200}\bFROM\b|\b(?:INSERT INTO|CREATE TABLE|UPDATE \w+ SET)\b", re.S)

_MATH_WORDS = weights(
    w60="differentiate integrate chessboard ln sqrt arithmetic algebra calculus integral "
    "derivative equation equations eigenvalues eigenvalue eigenvectors polynomial theorem lemma "
    "irrational syllogism knights knaves knave counterfeit riddle hypotenuse logarithm factorial "
    "permutations combinatorics gcd lcm disprove sudoku quadratic antiderivative",
    w50="handshakes solve prove calculate compute probability prime primes remainder perimeter "
    "weighings determinant logically divisible converges premises",
    w35="decimal roots root puzzles overtake interior exterior congruent parallelogram triangles "
    "hexagon cube sphere cone cylinder tossed coin dealt marbles urn likelihood compounded "
    "interest-rate approaches sin cos tan log switches bulb wolf cabbage mortal matrix proof "
    "modulo triangle puzzle dice simplify factorize factorise factor odds valid mislabeled "
    "sequence circumference radius median hypothesis fallacy paradox deduce infer multiply "
    "divided cubed squared contradiction induction sine cosine subtract numbers tangent",
    w25="position squares ages row sit snail well climbs weighs age older younger taller shorter "
    "faster bigger larger heavier goat cost apiece each total speed mph handshake even sum "
    "average percent percentage fraction rectangle area square root odd logic logical evaluate "
    "coins integer integers jug jugs litre exactly series limit discount ratio circle angle "
    "volume km/h digits digit minus plus times half third twice double triple original "
    "altogether boxes liars truth determine implies truth-teller catch",
)
_NUMBER_WORDS = words(
    "two three four five six seven eight nine ten eleven twelve fifteen twenty thirty fifty "
    "hundred thousand half third quarter twice double triple dozen"
)
# What each expression begins with is rare in a text, so that it is rarely tried.
_FORMULA_MARKS = ("√", "∫", "∑", "[[")
_OPERATION = Pattern(r"\d(?:\s*[+*×÷^]\s*\d|\s[-/]\s\d|/\d+\b| ?% of\b)")
_UNKNOWN = Pattern(r"[xyz](?<![^\W\d].)\s?[-+=]\s?\d")
_FORMULA_FORMS: tuple[tuple[str, Pattern], ...] = (
    ("^", Pattern(r"[a-z)]\s?\^\s?[\dn({-]")),
    ("=", Pattern(r"\b[a-z] ?= ?-?\d")),
    ("f(x)", Pattern(r"\bf\(x\)")),
)
_FORMULA_SIGNS = frozenset("0123456789^√∫∑[(")  # without one of these there is no formula
_YEAR = Pattern(r"1[5-9]\d\d|20\d\d")
_QUANTITY = words("many much long far old fast tall when remain remains original total altogether")
# Forms of logic and puzzles. Each is only sought where its words stand in the turn: searching for
# all of them takes longer than everything else together.
_FIRST_WORD = re.compile(r"^\\b([a-z]+)")  # "\bhow" as "how(?<!\whow)": searched for as a word is
_LOGIC: tuple[tuple[frozenset[str], Pattern], ...] = tuple(
    (words(needed), Pattern(_FIRST_WORD.sub(r"\1(?<!\\w\1)", source), re.S))
    for needed, source in (
        ("if then", r"\bif .{3,80}\bthen\b"),
        ("always lie", r"\balways lie"),
        ("always tell", r"\balways tell"),
        ("what comes next", r"\bwhat comes next\b"),
        ("what am i", r"\bwhat am i\b"),
        ("what follows", r"\bwhat follows\b"),
        ("than", r"\bthan\b.{1,120}\bthan\b"),
        ("argument valid", r"\bvalid argument|\bargument valid"),
        ("how many ways", r"\bhow many ways\b"),
        ("how many different", r"\bhow many different\b"),
        ("show that the", r"\bshow that the\b"),
        ("truth lie", r"\btruth\b.{1,60}\blie"),
        ("truth lies", r"\btruth\b.{1,60}\blie"),
        (
            "how",
            r"\bhow (?:do|can|could|would|does) (?:you|i|he|she|they|we) (?:find out|determine"
            r"|measure|figure|identify|tell|get everyone)\b",
        ),
        ("river", r"\b(?:across|cross) (?:a|the) river\b"),
        ("bridge", r"\b(?:across|cross) (?:a|the) bridge\b"),
        ("how is possible", r"\bhow is (?:this|that|it) possible"),
        ("if today is", r"\bif today is"),
        ("if yesterday", r"\bif yesterday"),
        ("who lying", r"\bwho (?:is|was) lying"),
        ("left of", r"\b(?:to the )?left of \w+.{1,80}\b(?:who|where|which)\b"),
        ("right of", r"\b(?:to the )?right of \w+.{1,80}\b(?:who|where|which)\b"),
        (
            "convert",
            r"\bconvert .{1,40} (?:fraction|decimal|binary|hexadecimal|percentage)\b",
        ),
        ("belong", r"\bdoes(?:n't| not) belong\b"),
        ("true or false", r"\btrue or false\b"),
        ("day before yesterday", r"\bday before yesterday\b"),
        ("day after tomorrow", r"\bday after tomorrow\b"),
        ("brothers and sisters", r"\bbrothers and sisters\b"),
        ("minimum", r"\bminimum (?:time|number|amount)\b"),
        ("into pieces", r"\binto \w+ (?:equal )?pieces\b"),
        ("in a race", r"\bin a race\b"),
        ("must be true", r"\bmust be true\b"),
        ("can conclude", r"\bcan (?:we|you|i) conclude\b"),
        ("next", r"\bnext (?:number|term|letter|shape)\b"),
    )
)
_QUANTIFIERS = words("all some no every only")
_QUANTIFIED = Pattern(r"\b(?:all|some|no|every|only) \w+(?: \w+)? (?:are|is|have)\b")

_PLAN_WORDS = weights(
    w40="illegal lawful subpoena fiduciary buyout valuation divestiture solvency monetary "
    "macroeconomic evict eviction sue custody inheritance severance dilution anti-dilution "
    "liquidation",
    w30="landlord lease comprehensive legal law laws lawsuit liability gdpr hipaa compliance "
    "regulation regulations regulatory antitrust patent enforceable non-compete jurisdiction "
    "tenant vesting governance strategy strategic roadmap go-to-market swot acquisition acquire "
    "merger stakeholders competitors financing investors churn restructure geopolitical llc "
    "initiatives trade-offs tradeoffs mitigations mitigate feasibility policy b2b saas "
    "negotiation litigation plaintiff",
    w22="strategic-implications nato alliance treaty refunds dispute terms turnover annual tight "
    "ban enforcement tourism rents reform enrolment district closures plant inheriting brothers "
    "entering competitor nordic savings career fiscal social environmental economic political "
    "banks housing interest rates central emerging trade tariffs sanctions government energy "
    "climate infrastructure transport shares partners suppliers procurement logistics kpis okrs "
    "brand sales growth retention portfolio hiring layoffs workforce staff nonprofit non-profit "
    "hospital city ministry agency enterprise resellers packaging customers customer stadium "
    "nuclear benefits recovery disaster negotiation schedule duties relocation communication "
    "perspectives siblings value finance options long-term stakeholder expansion regional "
    "funding grant privacy employer privately dismissal fired consumer startup board runway "
    "founders marketing detailed campaign migrating migration downtime data-center cloud phased "
    "launching rights court lawyer employer insurance mortgage retirement retiring national "
    "contract clause tax equity pricing market budget revenue cash supply chain crisis business "
    "economics risk risks constraints constraint implications consequences prioritize prioritise "
    "contractors company companies employees labour labor public cost costs union vendor "
    "fundraising donor clinical trial protocol recommendation dependencies organization "
    "organisation manufacturer inventory resilience quarters migrate joint venture merger ip",
    w15="analyze analyse evaluate assess plan develop devise propose recommend advise conduct "
    "critically weigh considering given under without while must most limited balances balance "
    "including covering avoiding justify options pros cons compare requirements deadline "
    "analysis design draft review fair explain against",
)
_PLAN_HEADS = words(
    "organize organise arrange coordinate analyze analyse evaluate assess plan develop devise "
    "design propose recommend prioritize prioritise draft conduct advise review weigh critically "
    "compare create structure outline write build formulate prepare"
)


# Results that take planning, and the everyday plans that do not.
_PLAN_OBJECTS = words(
    "strategy plan roadmap policy campaign framework analysis proposal governance agreement "
    "assessment protocol program programme itinerary"
)
_ANALYSIS = words("analyze analyse evaluate assess devise formulate prioritize prioritise weigh")
_PLANNING = words("plan organize organise arrange coordinate")
_LITERATURE = words(
    "poem novel symbolism character theme painting song essay book story play film sentence lyrics"
)
_EVERYDAY = words("meal lesson workout study floor diet training birthday weekly daily reading")


def _sum(table: dict[str, float], vocabulary: frozenset[str]) -> tuple[float, list[str]]:
    """Weights of the vocabulary's words in the table, and the words that count most."""
    found = list(table.keys() & vocabulary)
    found.sort(key=lambda word: (-table[word], word))
    # Many weak words say less than their sum: each further one counts a little less.
    total, share = 0.0, 1.0
    for word in found[:8]:
        total += table[word] * share
        share *= 0.88
    return total, found[:3]


def is_code(turn: Turn) -> Signal:
    """How strongly the turn wants code written, explained or repaired."""
    score, found = _sum(_CODE_WORDS, turn.words)
    text = turn.text
    if turn.fenced:
        score += 0.6
        found.append("a code block")
    if _has_syntax(text):
        score += 0.4
        found.append("code syntax")
    if "`" in text or _names_code(turn):
        score += 0.4
        found.append("names of code")
    if "SELECT" in text or "INSERT" in text or "CREATE TABLE" in text or "UPDATE" in text:
        score += 0.5 if _SQL.found_in(text) else 0.0
    if score == 0.0:
        return NONE
    if "code" in turn.words and false_code(turn.tokens):
        score -= 0.35
    lead = turn.lead
    if lead is not None and lead.verb in _CODE_VERBS:
        score += 0.12 + _code_object(turn, lead)
    if lead is not None and lead.kind is Kind.QUESTION and not turn.words.isdisjoint(_FACTS):
        score -= 0.45
    return _signal(score, "about code", found)


def _has_syntax(text: str) -> bool:
    """Whether the beginning of ``text`` has the syntax of a programming language."""
    if _CODE_SIGNS.isdisjoint(text):
        return False
    start = text[:_SYNTAX_WINDOW]
    return any(mark in start for mark in _CODE_MARKS) or any(
        needed in start and form.found_in(start) for needed, form in _CODE_FORMS
    )


def _names_code(turn: Turn) -> bool:
    """Whether there is a snake_case, called() or camelCase name.

    "iPhone" and "eBay" are none: they have one small letter before the first capital.
    """
    if ("_" in turn.text or "()" in turn.text) and _CALL.found_in(turn.text):
        return True
    return any(
        token[:2].islower() and token.isalpha() and len(token) > 3
        for token in set(turn.cased).difference(turn.tokens)  # those with a capital
    )


def _code_object(turn: Turn, lead: Head) -> float:
    """What the order's own object adds: "write a function ..." surely wants code."""
    bonus = 0.25 if lead.verb in _CODE_DOING else 0.0
    if lead.verb not in _CODE_MAKERS:
        return bonus
    near = turn.near(lead.at + 1, 7)
    for index, token in enumerate(near):
        if token in _CODE_OBJECTS:
            return max(bonus, 0.3)
        follow = near[index + 1] if index + 1 < len(near) else ""
        if token in _CODE_OBJECTS_WEAK and follow in _PURPOSE:
            return max(bonus, 0.25)
        if token in _PURPOSE or token in ("for", "about", "of"):
            break
    return bonus


def is_reasoning(turn: Turn) -> Signal:
    """How strongly the turn is mathematics, logic, a puzzle or a proof."""
    score, found = _sum(_MATH_WORDS, turn.words)
    text = turn.text
    figures = [token for token in turn.tokens if token[0].isdigit()]
    numbers = sum(map(_NUMBER_WORDS.__contains__, turn.tokens)) + sum(
        not _YEAR.compiled.fullmatch(token) for token in figures
    )
    if _has_formula(text):
        score += 0.5
        found.append("a formula")
    lowered = text.lower()
    quantified = not turn.words.isdisjoint(_QUANTIFIERS)
    forms = len(_QUANTIFIED.compiled.findall(lowered)) if quantified else 0
    if forms or any(needed <= turn.words and form.found_in(lowered) for needed, form in _LOGIC):
        score += 0.6 if forms > 1 or numbers > 2 else 0.5
        found.append("a logical form")
    asks = "?" in turn.tokens or (turn.lead is not None and turn.lead.kind is Kind.QUESTION)
    if numbers and asks and not turn.words.isdisjoint(_QUANTITY):
        score += min(0.6, 0.3 + 0.1 * numbers) if numbers > 1 else 0.15
        if "if" in turn.words:
            score += 0.15
        found.append("numbers with a question")
    elif numbers > 1 and asks and turn.length <= 14:
        score += 0.25
    if score == 0.0:
        return NONE
    return _signal(score, "mathematics or logic", found)


def _has_formula(text: str) -> bool:
    """Whether numbers or unknowns are reckoned with somewhere in ``text``."""
    if _FORMULA_SIGNS.isdisjoint(text):
        return False
    return (
        any(mark in text for mark in _FORMULA_MARKS)
        or _OPERATION.found_in(text)
        or _UNKNOWN.found_in(text)
        or any(needed in text and form.found_in(text) for needed, form in _FORMULA_FORMS)
    )


def is_complex(turn: Turn) -> Signal:
    """How strongly the turn is planning or analysis under several constraints, law, business."""
    score, found = _sum(_PLAN_WORDS, turn.words)
    if score < 0.15:
        return NONE
    lead = turn.lead
    score -= 0.12
    if "we" in turn.words or "our" in turn.words:
        score += 0.12
    if lead is not None and lead.verb in _PLAN_HEADS:
        score += 0.1
        if lead.verb in _PLANNING and turn.length > 14:
            score += 0.25
        if lead.verb in _ANALYSIS and turn.length > 8 and turn.words.isdisjoint(_LITERATURE):
            score += 0.2
        near = turn.near(lead.at, 9)
        if not _PLAN_OBJECTS.isdisjoint(near) and _EVERYDAY.isdisjoint(near):
            score += 0.3
    if turn.length > 18:
        score += 0.12
    if turn.length > 30:
        score += 0.08
    if turn.tokens.count(",") >= 3:
        score += 0.1
    return _signal(score, "planning or analysis under constraints", found)


def false_code(tokens: list[str]) -> bool:
    """ "Dress code", "code of conduct": the word without the thing."""
    for index, token in enumerate(tokens):
        if token == "code":  # noqa: S105 - a word, not a password
            around = (tokens[index - 1] if index else "", *tokens[index + 1 : index + 2])
            if not _CODE_FALSE.isdisjoint(around):
                return True
    return False


def _signal(score: float, what: str, found: list[str]) -> Signal:
    if score <= 0.0:
        return NONE
    return Signal(min(0.95, score), f"{what} ({', '.join(found)})" if found else what)
