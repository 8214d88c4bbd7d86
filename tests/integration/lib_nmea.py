"""What a receiver says: NMEA 0183 sentences with checksums, for a time."""
import math
import time


def sentence(body):
    check = 0
    for char in body:
        check ^= ord(char)
    return f"${body}*{check:02X}\r\n"


def angle(value, width, positive, negative):
    """Degrees and minutes with six decimals: 2 mm."""
    micro_minutes = round(abs(value) * 60e6)
    return (f"{micro_minutes // 60000000:0{width}d}"
            f"{micro_minutes % 60000000 / 1e6:09.6f},"
            f"{positive if value >= 0 else negative}")


def clock(when):
    centis = math.floor(when * 100 + 0.5)
    return (time.strftime("%H%M%S", time.gmtime(centis // 100)) +
            f".{centis % 100:02d}")


def epoch(when, lat, lon, speed_mps=0.0, course_deg=0.0, mode=3):
    """One second's sentences. `mode` as gpsd's: 1 no fix, 2 2D, 3 3D."""
    at = angle(lat, 2, "N", "S") + "," + angle(lon, 3, "E", "W")
    date = time.strftime("%d%m%y", time.gmtime(math.floor(when)))
    if mode < 2:
        return "".join(map(sentence, (
            f"GPRMC,{clock(when)},V,,,,,,,{date},,,N",
            f"GPGGA,{clock(when)},,,,,0,00,,,M,,M,,",
            "GPGSA,A,1,,,,,,,,,,,,,,,")))
    used = "03,07,08" if mode == 2 else "03,07,08,11,14"
    altitude = ",M,,M,," if mode == 2 else "12.0,M,-20.0,M,,"
    slots = used + "," * (12 - len(used.split(",")))
    return "".join(map(sentence, (
        f"GPRMC,{clock(when)},A,{at},{speed_mps * 3600 / 1852:.3f},"
        f"{course_deg:.2f},{date},,,A",
        f"GPGGA,{clock(when)},{at},1,{len(used.split(',')):02d},0.9,"
        f"{altitude}",
        f"GPGSA,A,{mode},{slots},1.6,0.9,1.3")))
