"""Which language a text is mainly in: by script, then by its commonest words and letters.

Tables of about 25 words a language are enough for a sentence; a bare name or number stays "und" or
English. Only the beginning of a text is looked at.
"""

from __future__ import annotations

from operator import itemgetter
from typing import NamedTuple

from shared.classify.words import words

_SAMPLE = 1200  # characters looked at for the script
_TOKENS = 160  # words looked at for the language


class Language(NamedTuple):
    """An ISO 639-1 code ("und": none recognised) and a confidence in [0, 1]."""

    code: str
    confidence: float


UNKNOWN = Language("und", 0.0)

# Function words, and the words that short messages begin with. A word may stand in several lists.
_COMMON: dict[str, str] = {
    "en": "the of and to in is that it for on you with as are this be what how why who when "
    "where can i my me a an do does from at not or which please write give make have was if your "
    "would there we they he she about into will all tell show find explain but by so just then "
    "let's",
    "es": "cuáles mejor mejores hacer puede ser estar tengo tiene hay dónde cuándo funciona el "
    "la los las de que y en un una por para con no es qué cómo cuál dónde como del se lo está "
    "son más hola gracias quiero puedes escribe explica cuánto cuántos mi al o muy palabras",
    "fr": "quels sont meilleur meilleurs meilleure faire peut à il elle cette ces être "
    "fonctionne le la les des de un une et est que qui en pour dans ce cette avec pas sur je tu "
    "vous nous comment quel quelle quelles pourquoi où bonjour merci ça va du au aux mon ma "
    "écris plus",
    "de": "welcher welches wann gibt soll kannst haben sind ihr unsere heute kochen macht der "
    "die das und ist ein eine einen nicht mit für auf wie was warum ich du sie es den dem von zu "
    "im wo wer kann bitte erkläre schreibe hallo danke auch werden welche mir man am ein",
    "it": "quali migliori fare posso ho sei cosa quando sai fa si il lo la gli le di che è un "
    "una per con non come qual quale dove perché sono del della ciao grazie questa questo scrivi "
    "spiega mi si al nel anche più cosa sul dorme frase",
    "pt": "quais melhor melhores fazer posso tem quando ser pode foi seu sua o a os as de que e "
    "em um uma para com não é como qual onde por do da se mais você eu olá obrigado obrigada "
    "escreve escreva explique sobre quais são no na dos meu minha isso está",
    "nl": "wanneer welke welk moet goed deze mag hebt heb laat kunnen worden de het een en van "
    "is dat niet met voor op hoe wat waarom ik je jij zijn er aan te in waar wie kun kan "
    "uitleggen hallo bedankt schrijf mijn ook maar naar hebben deze werken",
    "sv": "hjälpa mig dig mitt mina läxa kommer ska vill bästa och att det är en ett som inte "
    "med för på hur vad varför jag du till av den kan hej tack mellan skillnaden skriv förklara "
    "var vem min om från har vilken",
    "da": "og at det er en et som ikke med for på hvordan hvad hvorfor jeg du til af den kan hej "
    "tak mellem forskellen skriv forklar hvor hvem min om fra har hvilken",
    "no": "og at det er en et som ikke med for på hvordan hva hvorfor jeg du til av den kan hei "
    "takk mellom forskjellen skriv forklar hvor hvem min om fra har hvilken",
    "fi": "tarkoittaa minulle sinun pitää olen olet paljon voisitko ja on ei se että mikä miten "
    "miksi missä kuka voi minä sinä hän ovat oli kuin mitä joka hei kiitos kirjoita selitä "
    "suomen kuinka minun myös tai mutta onko",
    "pl": "kiedy jaką mogę podaj gdzie przepis zrobić opowiedz mam może i w na nie jest to że "
    "się z do jak co dlaczego gdzie kto jaki jaka jakie czy ja ty po za cześć dziękuję napisz "
    "wyjaśnij napisać dla od są mi dobre proszę dzień dobry",
    "cs": "a je v na se to že s do jak co proč kde kdo jaký jaká není pro ahoj děkuji napiš "
    "vysvětli jsem jsou které který od mi mezi prosím",
    "ro": "și în este nu cu pentru care ce cum de unde cine un o la mai sunt scrie explică bună "
    "mulțumesc din pe să sau despre",
    "hu": "a az és hogy nem egy van mi miért hol ki hogyan meg is szia köszönöm írj magyarázd el "
    "ez milyen mennyi melyik mit nagyon kell",
    "tr": "bana sen ben şey anlat olarak kadar nasılsın mı misin lütfen ve bir bu ne nasıl neden "
    "için ile mi mı de da çok nerede kim hangisidir hangi merhaba teşekkürler yaz açıkla nedir "
    "var daha en gibi büyük olan",
    "vi": "và là của có không để một các cho với như thế nào làm tôi bạn gì được trong những tại "
    "sao ở xin chào cảm ơn hãy viết học hơn tiếng",
    "id": "yang dan di apa bagaimana mengapa untuk dengan dari ini itu tidak saya adalah ke pada "
    "siapa dimana halo terima kasih tolong buatkan jelaskan tulis kamu bisa akan satu",
    "sw": "na ya wa kwa ni katika za la hii kuna habari jinsi gani nini wangapi ngapi kila lakini "
    "pia au hiyo moja mbili tatu ana alikuwa yake wake kama nani wapi vipi tafadhali asante nina "
    "watu siku ikiwa",
    "tl": "ang ng mga sa na ay ko mo ako ikaw siya hindi paano ano saan bakit kailan sino ito para "
    "may kung po salamat kumusta",
    "hr": "je i u na se da su za ne što kako gdje zašto koji koja koje ili ali nije sam od mi "
    "molim hvala bok treba možeš",
    "sk": "je v na sa že čo ako prečo kde kto aký aká nie som pre ale alebo ktorý od mi prosím "
    "ďakujem ahoj napíš vysvetli",
    "ca": "el la els les de que i en un una per amb no és com què quin quina on per són més aquest "
    "vull pot ser del al hola gràcies si us plau escriu",
    "sl": "je v na se da za kaj kako kje zakaj kdo ki ni sem od mi prosim hvala živjo napiši "
    "razloži lahko kateri tudi pa ampak",
    "et": "ja ei et mis kuidas miks kus kes oli kui mida ning oma tere aitäh palun kirjuta "
    "selgita minu ka või kas aga mulle",
    "lv": "un ir nav kas kā kāpēc kur es bija ar uz lai paldies lūdzu sveiki uzraksti paskaidro "
    "mans arī vai bet",
    "lt": "ir yra nėra tai kad kas kaip kodėl kur aš jis buvo apie iš į ar ačiū prašau labas "
    "parašyk paaiškink mano taip bet",
    "is": "og að það ekki hvað hvernig vegna hvar hver ég þú hann var með frá takk halló skrifaðu "
    "minn líka eða mér",
    "af": "nie wat hoe waarom waar wie ek jy hy oor dankie asseblief hallo skryf verduidelik ook "
    "maar het vir hulle ons hierdie daar",
    "sq": "dhe është nuk që çfarë si pse ku kush unë ishte për nga në faleminderit lutem "
    "përshëndetje shkruaj shpjego gjithashtu ose një e të",
    "az": "və bir bu nə necə niyə harada kim mən sən idi ilə üçün deyil salam təşəkkür zəhmət "
    "olmasa yaz izah çox hansı mənə",
    "eu": "eta da ez hau zer nola zergatik dira kaixo eskerrik asko mesedez idatzi azaldu nire "
    "ere edo baina",
    "cy": "yn ac mae ei nid beth sut ble pwy chi oedd gyda helo diolch gwelwch ysgrifennwch fy "
    "hefyd neu ond ydy",
    "ga": "agus tá níl cad conas cén fáth cá cé mé tú sé bhí faoi dia duit scríobh freisin nó ach "
    "maith agat",
    "ht": "ak yon se ki sa kijan poukisa kote mwen ou li avèk pou nou bonjou mèsi tanpri ekri "
    "eksplike",
    "eo": "kaj la estas ne kio kiel kial kie kiu li kun pri por saluton dankon bonvolu skribu "
    "klarigu mia ankaŭ aŭ sed",
    "so": "iyo waa maxay sidee sababta xaggee ayaa anigu adiga isaga ahaa ku ka mahadsanid fadlan "
    "qor sharax sidoo kale ama laakiin",
    "ha": "da na ce wannan mene yaya yasa wane cikin tare sannu gode allah rubuta bayyana kuma ko "
    "amma shi",
    "ru": "и в не на что как это я с по почему где кто для из он мы привет спасибо напиши "
    "объясни какой какая сколько ли у о к или чем приготовить",
    "uk": "і в не на що як це я з по чому де хто для із він ми привіт дякую напиши поясни який "
    "яка скільки чи у та або є",
    "bg": "и в не на какво как това аз с по защо къде кой за от той ние здравей благодаря напиши "
    "обясни какъв колко ли да е се ще са",
}
_LANGUAGES_OF: dict[str, tuple[str, ...]] = {}
for _code, _list in _COMMON.items():
    for _word in dict.fromkeys(_list.split()):
        _LANGUAGES_OF[_word] = (*_LANGUAGES_OF.get(_word, ()), _code)

_ENGLISH = frozenset(_COMMON["en"].split())
_ABROAD = frozenset(" ".join(common for code, common in _COMMON.items() if code != "en").split())

# Letters that few of the languages have; each kind found counts once.
_LETTERS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys("ñ¿¡", ("es",)),
    "ß": ("de",),
    **dict.fromkeys("ãõ", ("pt",)),
    **dict.fromkeys("łżśęąńź", ("pl",)),
    **dict.fromkeys("ěřů", ("cs",)),
    **dict.fromkeys("őű", ("hu",)),
    **dict.fromkeys("ğış", ("tr",)),
    **dict.fromkeys("șță", ("ro",)),
    **dict.fromkeys("ơưđạếồệộảấậữ", ("vi",)),
    **dict.fromkeys("øæ", ("da", "no")),
    "å": ("sv", "da", "no"),
    "œ": ("fr",),
    "ü": ("de", "tr", "hu"),
    "ö": ("de", "sv", "fi", "hu", "tr"),
    "ä": ("de", "sv", "fi"),
    "ç": ("fr", "pt", "tr"),
    "è": ("fr", "it"),
    "ê": ("fr", "pt", "vi"),
    **dict.fromkeys("їєґі", ("uk",)),
    **dict.fromkeys("ыэё", ("ru",)),
    "ъ": ("bg", "ru"),
}
_ELISIONS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("c", "j", "qu", "n", "s", "m"), ("fr",)),
    **dict.fromkeys(("l", "d"), ("fr", "it")),
    **dict.fromkeys(("dell", "all", "un", "nell"), ("it",)),
}
# English contractions end this way, so "d'you" or "s'more" do not make a text French.
_ENGLISH_TAILS = words("s t re ve ll d m you")

# First and last code point of a block, and the language of its script.
_SCRIPTS: tuple[tuple[int, int, str], ...] = (
    (0x0370, 0x03FF, "el"),
    (0x1F00, 0x1FFF, "el"),
    (0x0400, 0x052F, "cyrl"),
    (0x0530, 0x058F, "hy"),
    (0x0590, 0x05FF, "he"),
    (0x0600, 0x077F, "arab"),
    (0x0900, 0x097F, "hi"),
    (0x0980, 0x09FF, "bn"),
    (0x0A00, 0x0A7F, "pa"),
    (0x0A80, 0x0AFF, "gu"),
    (0x0B80, 0x0BFF, "ta"),
    (0x0C00, 0x0C7F, "te"),
    (0x0C80, 0x0CFF, "kn"),
    (0x0D00, 0x0D7F, "ml"),
    (0x0D80, 0x0DFF, "si"),
    (0x0E00, 0x0E7F, "th"),
    (0x0E80, 0x0EFF, "lo"),
    (0x1000, 0x109F, "my"),
    (0x1200, 0x137F, "am"),
    (0x1780, 0x17FF, "km"),
    (0x10A0, 0x10FF, "ka"),
    (0x3040, 0x30FF, "ja"),
    (0x3400, 0x9FFF, "zh"),
    (0xAC00, 0xD7AF, "ko"),
    (0x1100, 0x11FF, "ko"),
)
# A sign of these scripts is a syllable or a word, so it weighs as several letters.
_DENSE = frozenset({"ja", "zh", "ko"})


def detect(text: str, tokens: list[str]) -> Language:
    """The main language of ``text``; ``tokens`` are its words and signs in lower case."""
    if not text.isascii():
        found = _by_script(text[:_SAMPLE], tokens)
        if found is not None:
            return found
    return _by_words(tokens[:_TOKENS], text[:_SAMPLE])


def _by_script(sample: str, tokens: list[str]) -> Language | None:
    """A language of a script of its own; None for Latin letters."""
    counts: dict[str, int] = {}
    for sign in sample:
        if sign > "ʯ":  # beyond Latin letters and phonetic signs
            point = ord(sign)
            for first, last, script in _SCRIPTS:
                if first <= point <= last:
                    counts[script] = counts.get(script, 0) + 1
                    break
    if not counts:
        return None
    latin = sum("A" <= sign <= "Z" or "a" <= sign <= "z" for sign in sample)
    script = max(counts, key=lambda name: counts[name])
    dense = sum(count for name, count in counts.items() if name in _DENSE)
    own = sum(counts.values()) + 3 * dense
    share = own / (own + latin)
    if share < 0.4:
        return None
    confidence = min(0.98, 0.5 + share / 2)
    if counts.get("ja", 0) * 10 >= dense > 0:
        return Language("ja", confidence)  # kanji between kana is Japanese
    if script == "cyrl":
        return _by_words(tokens[:_TOKENS], sample, ("ru", "uk", "bg"))
    if script == "arab":
        return Language(_arabic(sample), confidence)
    return Language(script, confidence)


def _arabic(sample: str) -> str:
    """Arabic, Persian or Urdu by letters the others do not have."""
    if any(letter in sample for letter in "ٹڈڑںےہ"):
        return "ur"
    return "fa" if any(letter in sample for letter in "پچژگکی") else "ar"


def _by_words(tokens: list[str], sample: str, among: tuple[str, ...] = ()) -> Language:
    if sample.isascii():
        english = sum(map(_ENGLISH.__contains__, tokens))
        # No other language can have more than this; a word with an apostrophe may be an elision.
        most = sum(map(_ABROAD.__contains__, tokens)) + " ".join(tokens).count("'")
        if english and english >= most:
            return _english(english, sum(map(str.isalpha, map(itemgetter(0), tokens))))
    votes: dict[str, float] = {}
    count = 0
    for token in tokens:
        if not token[0].isalpha():
            continue
        count += 1
        found = _LANGUAGES_OF.get(token)
        if found is None and "'" in token:
            before, _, after = token.partition("'")
            if after not in _ENGLISH_TAILS:
                found = _ELISIONS.get(before)
        if found is not None:
            # A lone letter is as likely a name or a variable ("x and y") as a word.
            weight = 0.4 if len(token) == 1 and "en" not in found else 1.0
            for code in found:
                votes[code] = votes.get(code, 0.0) + weight
    if not sample.isascii():
        for letter in dict.fromkeys(sample.lower()):  # in order: equal votes go to the first
            for code in _LETTERS.get(letter, ()):
                votes[code] = votes.get(code, 0.0) + 0.6
    if among:
        best = max(among, key=lambda code: votes.get(code, 0.0))
        return Language(best, 0.95 if votes.get(best) else 0.8)
    return _judge(votes, count)


def _judge(votes: dict[str, float], count: int) -> Language:
    """English unless another language has clearly more evidence."""
    if count == 0:
        return UNKNOWN
    english = votes.pop("en", 0.0)
    best = max(votes, key=lambda code: votes[code], default="")
    score = votes.get(best, 0.0)
    if score <= english or score / count < 0.18:
        return _english(english, count)
    lead = (score - english) / count
    return Language(best, min(0.97, 0.45 + 0.9 * lead))


def _english(votes: float, count: int) -> Language:
    """English, by ``votes`` of ``count`` words."""
    return Language("en", min(0.98, 0.4 + votes / count) if votes else 0.3)
