"""Letters that look like Latin ones.

The tables are written by eye, by pairs of rows. Compatibility forms (full-width, mathematical, circled letters) are not in them: Unicode maps those.
"""

from __future__ import annotations


def _rows(*pairs: tuple[str, str]) -> dict[str, str]:
    return {letter: latin for letters, latins in pairs for letter, latin in zip(letters, latins, strict=True)}


EXACT = _rows(
    # Cyrillic
    ("АВЕЅІЈКМНОРСТУХЗҮԚԜԌҺ", "ABESIJKMHOPCTYX3YQWGh"),
    ("аесԁһіјоԛрѕԝухүӏ", "aecdhijoqpswyxyl"),
    # Greek
    ("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ABEZHIKMNOPTYX"),
    ("ονιϲϳ", "ovicj"),
    # Armenian
    ("ՏՍՕԼօոհսքգզցյ", "SUOLonhupqqgj"),
    # Cherokee
    ("ᎠᎡᎢᎪᎫᎬᎳᎵᎷᎻᎽᏀᏂᏃᏄᏎᏒᏔᏙᏚᏞᏟᏢᏦᏴ", "DRTAJEWPMHYGhZqURWVSLCPKB"),
    # Lisu
    ("ꓐꓑꓓꓔꓖꓗꓙꓚꓜꓝꓟꓠꓡꓢꓣꓦꓧꓪꓫꓬꓮꓰꓲꓳꓴ", "BPDTGKJCZFMNLSRVHWXYAEIOU"),
    # Coptic
    ("ⲟⲣⲥⲭⲎⲒⲔⲘⲚⲞⲢⲤⲦⲨⲬ", "opcxHIKMNOPCTYX"),
)
"""Hardly to be told from the Latin letter."""

LOOSE = _rows(
    ("вгикмнптшщяьёйц", "brukmhntwwrbeuu"),
    ("αβγδεηθκλμπρστυφχωςΣΛΔΘ", "abydenokhunpotuoxwcEAAO"),
)
"""Like enough to be read as the Latin letter in a Latin word."""

LOOK_ALIKES = {**LOOSE, **EXACT}

STYLED = _rows(
    # small capitals
    ("ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘꞯʀꜱᴛᴜᴠᴡʏᴢ", "abcdefghijklmnopqrstuvwyz"),
    # turned letters
    ("ɐɔǝɟƃɥᴉɾʞɯɹʇʌʍʎ", "acefghijkmrtvwy"),
    ("ɑɡɩʋ", "agiv"),
)
"""Latin letters in another style, that no language writes words with: always written as the plain letter."""

STYLED.update({chr(0x1F150 + place): chr(0x41 + place) for place in range(26)})  # negative circled
STYLED.update({chr(0x1F170 + place): chr(0x41 + place) for place in range(26)})  # negative squared

_TURNED_ONLY = "ɐɔǝɟƃɥᴉɾʞɯɹʇʌʍʎ"
TURNED = {**_rows((_TURNED_ONLY, "acefghijkmrtvwy"), ("qpudbnı¿¡", "bdnpqui?!"))}
"""What letters written upside down stand for, those that are other letters then included."""
TURNED_ONLY = frozenset(_TURNED_ONLY)
"""Those that are nothing else."""
