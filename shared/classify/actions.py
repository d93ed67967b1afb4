"""Whether a turn asks to act on systems outside (R3, category 5): browse, book, send, run.

The verb must be an order at the head of a clause, and most verbs need an object that shows that
something outside is meant: "book a table", not "book recommendations"; "run the tests", not "run
me through it".
"""

from __future__ import annotations

from shared.classify.turn import Head, Kind, Turn
from shared.classify.words import DECIDES, NONE, Signal, words

_ANY: frozenset[str] = frozenset()
_PEOPLE = words("my him her them mom mum dad the our everyone team boss me us all")
_FILES = words(
    "file files folder folders directory desktop downloads email emails e-mails mails account "
    "calendar photos screenshots documents event inbox backup backups logs record records user "
    "users post posts server bucket disk drive trash spam cart"
)
_SERVICES = words(
    "dishwasher washer washing robot vacuum heater oven coffee music tv timer server servers "
    "service services container containers vm instance pod machine cluster database nginx app "
    "staging production build version branch release latest deployment computer router"
)
_PLACES = words(
    "spot parking desk rooms stay airbnb cruise tour haircut lesson session ride table flight "
    "flights hotel room ticket tickets appointment taxi cab car restaurant seat seats trip "
    "reservation train massage slot court venue"
)
_APPS = words("twitter x facebook linkedin slack instagram channel reddit discord teams blog")

# Verb -> objects of which one has to stand near it; an empty set: the verb is enough.
_ACTS: dict[str, frozenset[str]] = {
    "browse": _ANY,
    "navigate": words("to website page site browser"),
    "search": words("for up web online internet google amazon site flights hotels news website"),
    "google": _ANY,
    "book": _PLACES,
    "reserve": _PLACES,
    "send": words(
        "$ € £ dollars euros package flowers gift fax email e-mail mail message text sms invite "
        "invitation invitations it this them slack money reminder invoice report file "
        "notification dm newsletter him her"
    ),
    "order": words(
        "ink paper coffee milk flowers supplies uber taxi another pizza food groceries it from "
        "two three amazon packs online lunch dinner more"
    ),
    "buy": words("it me ticket tickets shares online from amazon now two"),
    "pay": words("bill bills invoice rent my the"),
    "transfer": words("money dollars euros $ € £ account funds pounds"),
    "schedule": _ANY,
    "reschedule": _ANY,
    "remind": words("to about at tomorrow tonight in on when every"),
    "set": words("alarm reminder timer thermostat"),
    "add": words(
        "calendar cart list spreadsheet todo to-do playlist board wishlist basket meeting"
    ),
    "create": words("ticket issue event reminder calendar folder meeting pull-request invite"),
    "open": words(
        "youtube netflix chrome safari firefox whatsapp telegram zoom settings spreadsheet "
        "presentation door gate notepad excel word slack curtains blinds browser website app tab "
        "page file http https url gmail spotify repository calendar inbox email folder terminal "
        "document camera door garage"
    ),
    "click": _ANY,
    "tap": words("button on"),
    "log": words("in into"),
    "login": _ANY,
    "sign": words("in into up"),
    "check": words(
        "http https weather stock traffic flight order balance account server inbox email emails "
        "mail calendar website status availability online messages"
    ),
    "turn": words("on off down up"),
    "switch": words("on off"),
    "dim": words("lights light lamp"),
    "lock": words("door doors car"),
    "unlock": words("door doors car"),
    "post": _APPS | words("this it tweet photo update message comment status"),
    "tweet": _ANY,
    "publish": words("it this post article blog page package site"),
    "deploy": _ANY,
    "restart": _SERVICES,
    "reboot": _SERVICES,
    "stop": _SERVICES,
    "start": _SERVICES,
    "run": words(
        "build lint linter test tests command commands script server backup job pipeline "
        "playbook migration migrations npm docker git shell terminal deployment ls suite "
        "benchmark scan"
    ),
    "execute": words("command commands script job pipeline test tests shell terminal"),
    "delete": _FILES,
    "remove": _FILES,
    "move": _FILES | words("meeting appointment call money file"),
    "rename": _FILES,
    "copy": _FILES,
    "archive": _FILES,
    "cancel": words(
        "subscription membership order booking reservation appointment meeting flight online my"
    ),
    "call": words("taxi cab mom mum dad doctor dentist restaurant uber customer support bank me"),
    "phone": _PEOPLE,
    "text": _PEOPLE,
    "email": _PEOPLE,
    "message": _PEOPLE,
    "notify": _PEOPLE,
    "ping": _PEOPLE,
    "invite": _PEOPLE,
    "forward": words("it them this email emails to"),
    "reply": words("to all"),
    "unsubscribe": _ANY,
    "subscribe": words("me to"),
    "download": _ANY,
    "upload": _ANY,
    "fill": words("form forms application survey fields"),
    "submit": words("form application it ticket order claim"),
    "look": words("online web internet price order status latest website booking hours reviews"),
    "find": words("trending now reddit online flight flights hotel hotels near nearby cheapest"),
    "monitor": words("page website price server prices site stock and"),
    "track": words("package order flight shipment parcel"),
    "scrape": words("website site page pages prices"),
    "play": words(
        "jazz some radio podcast youtube netflix track song songs music playlist spotify album"
    ),
    "sync": _ANY,
    "update": words("spreadsheet crm calendar record sheet jira ticket status row"),
    "assign": words("ticket issue task it"),
    "merge": words("pull pr request"),
    "push": words("branch github changes commit origin production"),
    "take": words("screenshot"),
    "go": words("http https website site page browser com"),
    "visit": words("http https website site page and"),
    "fetch": words("http https url page website emails data from"),
    "read": words("inbox emails mailbox url"),
    "clean": _FILES,
    "clear": _FILES | words("cache cookies history notifications"),
    "empty": _FILES,
    "close": words("tab window app account browser ticket issue"),
    "save": words("disk drive folder calendar notion"),
    "print": words("document page label labels ticket copies"),
    "accept": words("invitation offer request meeting"),
    "decline": words("invitation offer request meeting"),
    "share": words("drive doc document folder link screen calendar"),
    "rsvp": _ANY,
    "renew": words("subscription passport license domain membership my"),
    "return": words("order item package shoes"),
    "apply": words("job position visa coupon"),
    "connect": words("wifi server vpn bluetooth database"),
    "install": words("app computer laptop phone server"),
    "backup": _FILES | words("phone computer laptop"),
    "adjust": words("thermostat lights brightness temperature"),
    "arrange": words("meeting call pickup taxi delivery transport"),
    "hail": _ANY,
    "withdraw": words("money dollars euros $ account"),
    "query": words("database warehouse crm api production"),
}
# A noun after these verbs makes them nouns: "email template", "message format", "schedule for".
_NOT_AFTER = words("of for about template templates is was format marketing with ,")
_PERSONAL = words("email text message ping invite notify phone call")
_CODE = words("function class method loop sql regex python javascript java css html api c++ react")
_LINK = "https://"
_LIVE = words("latest current live today tonight right-now breaking")
_NEWS = words("news price prices weather score scores stock traffic exchange headlines")
_SITE_ENDS = (".com", ".org", ".net", ".io", ".de", ".co", ".dev", ".ai", ".gov", ".edu")


def acts_outside(turn: Turn) -> Signal:
    """How strongly the turn asks for something done in the world outside the chat."""
    best, found = NONE, 0
    for head in turn.heads:
        signal = _of_clause(turn, head)
        found += signal.score >= DECIDES
        if signal.score > best.score:
            best = signal
    if found > 1:
        return Signal(min(0.95, best.score + 0.07), best.why)
    if best is NONE and _LINK in turn.text:
        return Signal(0.55, "needs a page from the web")
    if best is NONE and not turn.words.isdisjoint(_LIVE) and not turn.words.isdisjoint(_NEWS):
        return Signal(0.4, "may need live data")
    return best


def _of_clause(turn: Turn, head: Head) -> Signal:
    if head.kind is not Kind.ORDER or head.verb not in _ACTS:
        return NONE
    after = turn.near(head.at + 1, 10)
    objects = _ACTS[head.verb]
    if not after or (after[0] in _NOT_AFTER and after[0] not in objects):
        return NONE
    if head.verb == "remind" and after[0] not in ("me", "us"):
        return NONE
    why = f"asks to act outside the chat ({head.verb})"
    if not turn.words.isdisjoint(_CODE):
        return Signal(0.35, why)
    if not objects:
        return Signal(0.78, why)
    if not objects.isdisjoint(after[:9]) or any(token.endswith(_SITE_ENDS) for token in after):
        return Signal(0.85, why)
    if head.verb in _PERSONAL and turn.cased[head.at + 1][:1].isupper():
        return Signal(0.75, why)
    return NONE
