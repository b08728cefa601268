"""Own sentences for the tests: short and long, plain and odd, so that no test needs a download."""

QUERY = "what do giant pandas eat?"
PASSAGES = [
    "Bread is baked in a hot oven until its crust is brown.",
    "The giant panda eats almost nothing but bamboo, up to 38 kilograms of it a day.",
    "A panda car is a small city car that was built in Italy.",
    "Giant pandas live in the mountains of central China.",
    "The stock market fell by two percent on Tuesday.",
]
BEST = 1
"""The index of the passage that answers QUERY."""

ODD = [
    "",
    " ",
    "\x00",
    "a\x00b",
    "🐼" * 50,
    "Ünïcödé dïäcrïtïcs",
    "大熊猫几乎只吃竹子。" * 40,
    "word " * 3000,
    "x" * 5000,
    "<s> </s> [CLS] [SEP] <mask>",
    "العربية من اليمين إلى اليسار",
    "line\nbreaks\tand\r\ntabs",
    "\u200b\ufeff\u00ad invisible",
]
