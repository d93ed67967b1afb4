"""Whether a turn asks for a picture or a video to be made (R3, categories 3 and 4).

A maker's verb at the head of a clause, with a picture or video as its object: "create a logo", "I
want a photo of". A noun that goes on ("image classifier", "video script") is something else, and so
is a picture made by code.
"""

from __future__ import annotations

from shared.classify.turn import Head, Kind, Turn
from shared.classify.words import NONE, Signal, words

_MAKE = words(
    "do make create generate produce design render craft draw paint sketch illustrate doodle "
    "animate film show give get want need turn convert transform use using visualize visualise "
    "compose send"
)
_DRAW = words("render draw paint sketch doodle illustrate dibuja dibújame dibujame")
_PICTURES = words(
    "image images picture pictures pic pics photo photos photograph photographs drawing drawings "
    "painting paintings illustration illustrations logo logos icon icons portrait portraits "
    "poster posters wallpaper wallpapers sketch artwork banner meme avatar cartoon caricature "
    "watercolor watercolour t-shirt tshirt sticker stickers emoji flyer mural collage "
    "infographic scene landscape selfie card invitation postcard badge mascot emblem silhouette "
    "clipart thumbnail headshot render diorama figurine flag stamp mockup tattoo comic"
)
# A scene or landscape alone may be made of words; it is a picture where it is drawn or rendered.
_LOOSE = words("scene landscape comic mockup tattoo")
_VISUAL_VERBS = words("draw paint sketch illustrate render doodle")
_VIDEOS = words(
    "commercial b-roll montage video videos clip clips animation animations movie film footage "
    "timelapse time-lapse trailer gif reel videoclip"
)
_SHOWN = _PICTURES | _VIDEOS
# Whatever these two have for an object becomes a video.
_FILMING = words("film animate")
# Nouns that a picture or video noun may describe: "profile picture", "video ad", "logo design".
_PARTS = words(
    "profile album book cover print design art page style character background shot ad advert "
    "advertisement commercial intro greeting presentation tutorial"
)
# "Concept art", "pixel art", "album cover": these are pictures whatever noun follows.
_ARTS = words(
    "concept pixel line clip fan digital vector wall cover abstract ai fantasy pop street"
)
# "Coloring page" is one; any other page is text or code.
_PAGES = words("coloring colouring")
_COVERS = words("album book magazine cd record podcast")
# What may follow the object. Any other noun would make it part of a compound.
_AFTER = words(
    "of showing with for about in on at that where which featuring depicting from as based to "
    "and or like using by inspired style under over please set when while inside without again "
    "instead explaining called named titled is it if so then out i we my our me the a an this"
)
# Between verb and object only what describes the object may stand.
_STOPS = words(
    "about of for that to with in on from by or how not no which what why where when is are , : "
    "; ! ? . story poem list essay description prompt code script function plan table summary "
    "article tutorial guide program class app website"
)
# "Draw a conclusion", "paint a grim outlook", "sketch a plan"; "draw on experience", "draw up".
_ABSTRACT = words(
    "conclusion conclusions inference inferences parallel parallels comparison comparisons "
    "distinction lesson lessons attention breath blood card cards lot lots sample samples "
    "connection connections analogy analogies contrast straw straws inspiration criticism "
    "judgment judgement opinion service assistance verdict template json ire crowd fire outlook "
    "future plan outline idea ideas argument point concept difference differences importance "
    "strategy inventory boundaries line lines money salary"
)
_PARTICLES = words("up on upon from near back out in to how why what for")
_CHARTS = words("flowchart mindmap")
_DIAGRAMS = words("diagram chart graph flowchart plot histogram table tree mindmap timeline")
# Pictures and videos that are written as code or text are not generated.
_AS_CODE = words(
    "svg html css javascript js typescript react vue python java matplotlib canvas tikz latex "
    "mermaid ascii plantuml graphviz turtle d3 d3.js three.js p5.js code script function "
    "component opencv ffmpeg opengl pygame regex sql api pillow seaborn plotly swiftui flutter "
    "words"
)
_MODELS = words("4k 8k photorealistic cinematic hyperrealistic bokeh detailed octane midjourney")
_ARTICLES = words("a an the some one my our another")
_TENSED = words("is was are were who what why how which does did has had explain describe")

# Verb at the head of an order in other languages, by what it makes by itself or with a noun.
_DRAW_ABROAD = words(
    "dibuja dibújame dibujame pinta dessine dessine-moi dessinez zeichne zeichnen disegna "
    "disegnami dipingi desenha desenhe teken narysuj нарисуй изобрази намалюй çiz rita nakresli "
    "rajzolj gambarkan vẽ"
)
_MAKE_ABROAD = words(
    "crea créame creame genera generar haz hazme crée créez génère fais erstelle generiere mach "
    "erzeuge crie gere faça fai maak genereer stwórz wygeneruj создай сделай сгенерируй створи "
    "oluştur yap skapa lav buat buatkan tạo vytvoř"
)
_PICTURES_ABROAD = words(
    "imagen foto dibujo image dessin bild foto logo immagine disegno imagem desenho afbeelding "
    "tekening obraz obrazek изображение картинку рисунок зображення görsel resim gambar hình ảnh "
    "bilde billede obrázek"
)
_VIDEOS_ABROAD = words("vídeo video vidéo clip animación animation film видео відео wideo filmpje")
_SIGNS: tuple[tuple[str, bool], ...] = (
    *(("画一", False), ("画个", False), ("生成一张", False), ("畫一", False), ("描いて", False)),
    *(("그려", False), ("चित्र बनाओ", False), ("ارسم", False), ("วาดรูป", False)),
    *(("生成一个视频", True), ("制作视频", True), ("動画を作", True), ("동영상을 만들", True)),
)


def asks_for_media(turn: Turn) -> tuple[Signal, Signal]:
    """How strongly the turn asks for a video, and for a picture."""
    vocabulary = turn.words
    video = picture = NONE
    abroad = not turn.text.isascii()
    if vocabulary.isdisjoint(_ANY_CUE) and not abroad:
        return NONE, NONE
    if not vocabulary.isdisjoint(_AS_CODE) or turn.fenced:
        return NONE, NONE
    for head in turn.heads:
        found, is_video = _of_clause(turn, head)
        if found.score > (video if is_video else picture).score:
            if is_video:
                video = found
            else:
                picture = found
    if abroad and video is NONE and picture is NONE:
        for sign, is_video in _SIGNS:
            if sign in turn.text:
                signal = Signal(0.8, "asks for a video" if is_video else "asks for a picture")
                return (signal, NONE) if is_video else (NONE, signal)
    if picture is NONE and video is NONE:
        picture = _prompt_style(turn)
    return video, picture


_ANY_CUE = (
    words("cover art coloring colouring")
    | (_PICTURES - _LOOSE)
    | _VIDEOS
    | _DRAW
    | _FILMING
    | _VISUAL_VERBS
    | _DRAW_ABROAD
    | _VIDEOS_ABROAD
) | (_PICTURES_ABROAD | _MODELS)


def _of_clause(turn: Turn, head: Head) -> tuple[Signal, bool]:
    if head.kind is Kind.QUESTION:
        return NONE, False
    verb, at = head.verb, head.at
    if verb in _DRAW_ABROAD:
        return Signal(0.85, "asks in another language for a drawing"), False
    if verb in _MAKE_ABROAD:
        return _abroad(turn, at)
    if verb not in _MAKE and (verb in _ARTICLES or verb in _PICTURES or verb in _VIDEOS):
        return _noun_phrase(turn, at) if head is turn.lead else (NONE, False)
    if verb not in _MAKE:
        return NONE, False
    after = turn.near(at + 1, 9)
    if head.kind is Kind.WISH and after[:1] == ["to"]:
        return NONE, False
    if verb in ("use", "using") and "to" in after:
        at += after.index("to") + 1
        after = turn.near(at + 1, 9)
    if verb in ("turn", "convert", "transform"):
        at = _into(turn, at)
        if at < 0:
            return NONE, False
    noun, is_video = _object(turn, at + 1, verb)
    if noun and (is_video or verb not in _FILMING):
        what = "a video" if is_video else "a picture"
        return Signal(
            0.92 if head.first else 0.75, f"asks for {what} ({verb} ... {noun})"
        ), is_video
    if verb in _FILMING:
        moved = bool(after) and (after[0] in _ARTICLES or after[0] == "this")
        return (Signal(0.8, f"asks to {verb} something") if moved else NONE), True
    return (_drawing(verb, after) if verb in _DRAW else NONE), False


def _object(turn: Turn, start: int, verb: str) -> tuple[str, bool]:
    """The picture or video noun that is the verb's object, or "" where there is none."""
    tokens, total = turn.tokens, len(turn.tokens)
    before = ""  # the picture or video noun just passed: "profile" of "picture", "video" of "ad"
    for index in range(start, min(start + 8, total)):
        token = tokens[index]
        follow = tokens[index + 1] if index + 1 < total else ""
        ends = not follow or not follow[0].isalnum() or follow in _AFTER
        if before and token in _PARTS and ends:
            return before, before in _VIDEOS
        if token in _STOPS:
            break
        if _is_art(token, follow):
            return f"{token} {follow}", False
        before = token if token in _SHOWN else ""
        if before and follow not in _SHOWN and follow not in _PARTS:
            loose = token in _LOOSE and verb not in _VISUAL_VERBS
            return ("", False) if loose or not ends else (token, token in _VIDEOS)
    return "", False


def _is_art(token: str, follow: str) -> bool:
    """ "Pixel art", "album cover", "coloring page": pictures by their two words together."""
    return (
        (token in _ARTS and follow == "art")
        or (token in _COVERS and follow == "cover")
        or (token in _PAGES and follow == "page")
    )


def _drawing(verb: str, after: list[str]) -> Signal:
    """ "Draw a cat": anything that can be seen may be drawn; conclusions cannot."""
    if not after or after[0] in _PARTICLES or not _ABSTRACT.isdisjoint(after[:4]):
        return NONE
    if not _DIAGRAMS.isdisjoint(after[:6]):
        # A flowchart is drawn; a plot or a tree may be code's to make.
        drawn = not _CHARTS.isdisjoint(after[:6])
        return Signal(0.85 if drawn else 0.52, "asks for a diagram")
    if verb == "illustrate" and after[0] not in _ARTICLES:
        return NONE
    if "table" in after or (verb == "paint" and "room" in after):
        return NONE
    return Signal(0.85, f"asks to {verb} something")


def _into(turn: Turn, at: int) -> int:
    """Index of "into" or "to" of "turn this ... into a video"; -1 without one."""
    for index in range(at + 1, min(at + 14, len(turn.tokens))):
        if turn.tokens[index] == "into":
            return index
    return -1


def _noun_phrase(turn: Turn, at: int) -> tuple[Signal, bool]:
    """ "An oil painting of a ship, dramatic lighting": the prompt is the picture's description."""
    if not turn.words.isdisjoint(_TENSED):
        return NONE, False
    near = turn.near(at, 7)
    for index, token in enumerate(near[:-1]):
        if (token in _PICTURES or token in _VIDEOS) and near[index + 1] == "of":
            is_video = token in _VIDEOS
            return Signal(0.7, f"reads as the description of a {token}"), is_video
        if token in _STOPS:
            break
    return NONE, False


def _abroad(turn: Turn, at: int) -> tuple[Signal, bool]:
    for token in turn.near(at + 1, 6):
        if token in _VIDEOS_ABROAD:
            return Signal(0.85, "asks in another language for a video"), True
        if token in _PICTURES_ABROAD:
            return Signal(0.85, "asks in another language for a picture"), False
    return NONE, False


def _prompt_style(turn: Turn) -> Signal:
    """Rendering jargon in a phrase without a verb, as written for image generators."""
    found = turn.words & _MODELS
    if len(found) >= 2 and turn.words.isdisjoint(_TENSED):
        return Signal(0.6, "reads as a prompt for an image generator")
    return NONE
