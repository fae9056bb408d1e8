"""Names and titles of the made-up catalogue, as long and in as many scripts as real ones."""

# ruff: noqa: RUF001 (letters of other scripts are meant)
from random import Random

from sandbox import figures

_TEXTS = {
    "ascii": (
        "Up Go Oh No Air Sky Sun Sea Run Fire Rain Moon Wave Gold Blue Home Road Time Star Hush Low Echo Glass River "
        "Night Light Dream Ocean Ghost Heart Storm Paper Stone Velvet Silver Mirror Summer Winter Garden Shadow "
        "Thunder Horizon Lantern Gravity Electric Midnight Satellite Cathedral Wilderness of the in and to on my your "
        "a Never Always Falling Burning Running Waiting Dancing Broken Golden Hollow Little Lonely Last First Again "
        "Tonight Forever Away Down Over Under Without Beyond"
    ),
    "latin": (
        "Été Noël Déjà Cœur Über Größe Süß Señora Corazón Años Não Coração São Ilusão Łódź Żal Światło Příběh Řeka Žít "
        "Øre Blå Ängel Själ Hjärta Gözlerin Aşk Işık İstanbul Việt Đêm Þú Sólin Lună Şarkı Más Allá Où Ça Forêt Naïve"
    ),
    "cjk": "月 夜 風 花 星 海 愛 夢 雨 春天 秋天 時間 故事 世界 眼淚 天空 回憶 城市 再見 永遠",
    "cyrillic": "Ночь День Река Звезда Город Любовь Дождь Зима Небо Весна Море Сон Свет Дорога Огонь Мечта",
    "hebrew": "לילה אור ים שיר אהבה חלום גשם רוח שמש בית דרך לב זמן עולם",
    "thai": "รัก คืน ฝน ดาว ฟ้า ทะเล หัวใจ เวลา ความฝัน คิดถึง แสง ลม",
    "arabic": "ليل حب قمر بحر قلب نور حلم مطر شمس روح طريق سلام عمر",
    "hangul": "밤 사랑 바람 별 바다 꿈 비 봄날 시간 하늘 눈물 기억 안녕 너와",
    "katakana": "ヒカリ ハナ ソラ ユメ カゼ ドラマ メロディー サヨナラ ネオン スター シティ",
    "hiragana": "ひかり はな そら ゆめ かぜ なみだ さくら ありがとう こころ うた",
    "greek": "Νύχτα Αγάπη Θάλασσα Ουρανός Φως Όνειρο Ήλιος Καρδιά Βροχή Δρόμος",
}
WORDS = {script: tuple(text.split()) for script, text in _TEXTS.items()}
_UNSPACED = {"cjk", "thai", "katakana", "hiragana"}
_LETTERS_PER_SIGN = {"cjk": 4, "hangul": 3, "katakana": 3, "hiragana": 3}

_SYLLABLE_TEXT = (
    "ba be bo bra da de dri du el en fa fi ga gra hal im jo ka kel ki la len lo lu ma mer mi mo na nel no or pa pe ra "
    "rel ri ro sa sel so ta tel ti tor va vel vi vo wen za zel zi zo"
)
_SYLLABLES = tuple(_SYLLABLE_TEXT.split())
_COLLECTIVES = (
    "Ensemble", "Trio", "Quartet", "Collective", "Orchestra", "Sound", "Machine", "Parade", "Society", "Club", "Choir",
)  # fmt: skip
COMMON_NAMES = ("Aurora", "Echo", "Nova", "Phoenix", "Solaris", "Vesper")

VERSIONS = (
    "Remix", "Live", "Remastered", "Radio Edit", "Acoustic", "Instrumental", "Extended Mix", "Demo", "2011 Remaster",
    "Club Mix", "Single Version", "Piano Version",
)  # fmt: skip
LABEL_WORDS = ("Records", "Music", "Recordings", "Sounds", "Discs", "Audio")
GENRES = ("pop", "rock", "electronic", "hip hop", "jazz", "folk", "classical", "metal", "reggae", "ambient", "soul")
COUNTRIES = ("US", "GB", "DE", "FR", "JP", "BR", "SE", "KR", "NG", "PL", "GR", "MX")


def title(rng: Random) -> str:
    """Return a title of measured length and script."""
    script = figures.draw_key(rng, figures.SCRIPTS) if rng.random() < figures.NON_ASCII_TITLES else "ascii"
    length = figures.draw(rng, figures.TITLE_LENGTH) / _LETTERS_PER_SIGN.get(script, 1)
    return _phrase(rng, script, length)


def version(rng: Random) -> str | None:
    """Return what sets a recording apart from others of its title ("Live"), mostly nothing."""
    return rng.choice(VERSIONS) if rng.random() < figures.VERSIONED_TITLES else None


def artist(rng: Random, kind: str) -> str:
    """Return the name of a person or a group. A few names are common to several artists of a large world."""
    share = rng.random()
    if share < figures.SHARED_NAMES:
        return rng.choice(COMMON_NAMES)
    if share < figures.SHARED_NAMES + figures.NON_ASCII_ARTISTS:
        script = figures.draw_key(rng, figures.SCRIPTS)
        return _phrase(rng, script, 12 / _LETTERS_PER_SIGN.get(script, 1))
    if kind == "Person":
        return f"{_made_up(rng, 2)} {_made_up(rng, 3)}"
    return f"{_made_up(rng, 3)} {rng.choice(_COLLECTIVES)}"


def sort_name(name: str, kind: str) -> str:
    """Return the name as it is filed: "Kelor Ramilo" under "Ramilo, Kelor"."""
    first, _, last = name.partition(" ")
    return f"{last}, {first}" if kind == "Person" and last else name


def label(rng: Random) -> str:
    """Return the name of a label."""
    return f"{_made_up(rng, 2)} {rng.choice(LABEL_WORDS)}"


def _phrase(rng: Random, script: str, length: float) -> str:
    words = WORDS[script]
    joint = "" if script in _UNSPACED else " "
    text = rng.choice(words)
    while len(text) + 2 < length:
        text += joint + rng.choice(words)
    return text[0].upper() + text[1:]


def _made_up(rng: Random, syllables: int) -> str:
    return "".join(rng.choices(_SYLLABLES, k=syllables)).capitalize()
