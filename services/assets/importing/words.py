"""What people call things: headings of columns, values that mean nothing, units, and words for kinds.

Headings are compared by ``plain``: case, spaces and punctuation do not count. The first name of a field that a file has
wins, so that the surest names stand first.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from fnmatch import fnmatchcase

from shared.lists.spelling import folded

FIELDS: Mapping[str, tuple[str, ...]] = {
    "code": (
        "code", "facility code", "asset code", "asset id", "assetid", "asset number", "facility id", "facilityid",
        "pole id", "poleid", "pole number", "pole no", "lamp id", "light id", "street light id", "streetlight id",
        "manhole id", "manhole no", "structure id", "unique id", "uniqueid", "global id", "globalid", "guid",
        "uuid", "tag number", "unitid", "unit id", "number", "no", "ref", "@id", "osm id", "id", "设施编码",
        "部件编码", "部件标识码", "标识码", "设施编号", "部件编号", "井盖编号", "井盖编码", "灯杆编号", "路灯编号",
        "杆号", "桥梁编号", "管线编号", "资产编号", "编码", "编号", "代码", "编号id", "設施編號", "編號", "編碼",
        "路燈編號", "燈號", "燈桿編號", "桿號", "人孔編號", "代碼", "관리번호", "가로등번호", "보안등번호",
        "시설번호", "고유번호", "번호", "管理番号", "番号", "codigo", "código", "codice", "kennung", "nummer",
        "tunnus", "numero", "numéro", "matricule", "fid", "objectid", "ogc fid", "gid", "oid",
        "区划代码", "行政区划代码", "区划编码", "行政区划编码",  # of areas; many rows with one have another
    ),
    "name": (
        "name", "facility name", "asset name", "title", "label", "nome", "nombre", "nom", "bezeichnung", "nimi",
        "名称", "设施名称", "部件名称", "井名", "名稱", "設施名稱", "이름", "시설명", "명칭", "名前",
    ),
    "street": (
        "street", "street name", "streetname", "road", "road name", "roadname", "st name", "on street", "calle",
        "rue", "via", "strasse", "straße", "strassenname", "katu", "kadunnimi", "improvement", "街道名称",
        "道路名称", "道路名", "路名", "所在道路", "所属道路", "街路", "道路", "道路名稱", "路段", "도로명", "도로",
        "路線名",
    ),
    "district": (
        "district", "borough", "ward", "county", "quarter", "distrito", "arrondissement", "bezirk", "stadtteil",
        "kaupunginosa", "行政区", "所属区", "区县", "所在区", "辖区", "区域", "區域", "行政區", "鄉鎮市區", "區",
        "구", "자치구", "시군구", "区", "区划代码", "行政区划代码", "区划编码", "行政区划编码",
    ),
    "community": ("community", "neighbourhood committee", "社区", "所属社区", "社區", "村里", "里別"),
    "grid": ("grid", "grid cell", "grid code", "网格", "网格编号", "单元网格", "网格编码", "所属网格", "網格"),
    "owner": (
        "owner", "owned by", "owner name", "ownership", "propietario", "eigentümer", "omistaja", "proprietaire",
        "propriétaire", "权属单位", "产权单位", "权属", "所有人", "權屬單位", "所有者", "소유자", "소유기관",
    ),
    "authority": (
        "authority", "competent authority", "department", "主管单位", "主管部门", "管理部门", "主管單位",
        "主管機關", "관리기관", "관리기관명", "所管",
    ),
    "maintainer": (
        "maintainer", "maintained by", "maintenance unit", "operator", "contractor", "betreiber", "ylläpitäjä",
        "养护单位", "维护单位", "管养单位", "管护单位", "運維單位", "維護單位", "養護單位", "管理單位",
        "유지관리기관",
    ),
    # What a file says of extents: in the unit of the row's kind, or, where its kinds have several, for those in metres
    # and those in square metres apart.
    "measure": ("measure",),
    "measure_m": (),
    "measure_m2": (),
    "installed_on": (
        "installed on", "installed at", "installed", "install date", "installation date", "installdate",
        "date installed", "installation year", "year installed", "year built", "construction date",
        "construction year", "built", "in service date", "commissioned", "start date", "安装日期", "安装时间",
        "建成时间", "建成日期", "建设年代", "建设时间", "竣工日期", "投用日期", "启用日期", "安裝日期", "設置日期",
        "設置年度", "建置日期", "설치일자", "설치일", "설치년도", "설치연도", "設置年月日", "einbaudatum",
        "baujahr", "fecha de instalacion", "date d'installation", "asennuspäivä", "rakennusvuosi",
    ),
}  # fmt: skip

# Headings of lengths and areas, by the unit of the kinds whose measure they are.
LENGTHS = (
    "length m", "length", "pipe length", "road length", "total length", "segment length", "lengte", "laenge", "länge",
    "pituus", "longueur", "lunghezza", "comprimento", "długość", "长度", "管长", "管线长度", "路长", "道路长度", "桥长",
    "全长", "总长", "長度", "管長", "路長", "全長", "延長", "연장", "길이", "총연장",
)  # fmt: skip
AREAS = (
    "area m2", "area", "surface area", "road area", "pavement area", "total area", "flaeche", "fläche", "pinta ala",
    "superficie", "oppervlakte", "área", "powierzchnia", "面积", "道路面积", "路面面积", "铺装面积", "总面积", "面積",
    "道路面積", "路面面積", "면적",
)  # fmt: skip
MEASURES: Mapping[str, tuple[str, ...]] = {"m": LENGTHS, "m2": AREAS}
AMOUNTS = ("quantity", "amount", "數量", "数量", "수량")  # of what, only their unit can say

# Fields that are text, and how many characters they hold.
TEXTS = {
    "name": 200,
    "street": 200,
    "district": 60,
    "community": 60,
    "grid": 60,
    "owner": 100,
    "authority": 100,
    "maintainer": 100,
}

# A heading that is only a running number for somebody's database: a code unless it merely counts the rows.
WEAK_CODES = {"id", "fid", "objectid", "ogcfid", "gid", "oid", "number", "no", "番号", "번호", "编号", "編號", "numero"}
# Names of codes that say less than the name of a thing with one of the endings below.
VAGUE_CODES = {
    "unitid",
    "ref",
    "id",
    "编码",
    "编号id",
    "代码",
    "編碼",
    "代碼",
    "고유번호",
    "관리번호",
    "管理番号",
} | WEAK_CODES
AREA_CODES = {"区划代码", "行政区划代码", "区划编码", "行政区划编码"}
# The code of a thing: 管段编号, Pipe ID, Bridge No. Beside these words each kind has its names and KINDS.
CODE_ENDINGS = (
    "标识码", "编码", "编号", "代码", "号码", "編碼", "編號", "代碼", "號碼", "번호", "番号", "code", "id", "number",
    "no", "nr", "num", "nummer",
)  # fmt: skip
WEAK_ENDINGS = ("号", "號")  # 路灯杆号 is painted on a pole, and may be another one than the code
ANY_THING = (
    "asset", "facility", "structure", "equipment", "feature", "object", "element", "item",
    "设施", "部件", "资产", "设备",
    "構造物", "設施", "資產", "設備", "시설",
)  # fmt: skip
POLES = (
    "pole",
    "lamp",
    "light",
    "luminaire",
    "fixture",
    "mast",
    "路灯杆",
    "灯",
    "杆",
    "杆件",
    "灯具",
    "灯柱",
    "燈",
    "桿",
)
ROADS = ("road", "street", "segment", "road segment", "section", "road section", "道路", "路段", "路", "街道", "路線")
CHANNELS = ("segment", "link", "conduit", "reach", "渠段", "渠道")
THINGS: Mapping[str, tuple[str, ...]] = {
    "street_light": POLES, "landscape_light": POLES, "lighting_cabinet": ("cabinet", "box", "箱", "箱变", "配电柜"),
    "lighting_cable": ("cable", "线路", "回路", "line"), "carriageway": ROADS, "footway": ROADS, "kerb": ROADS,
    "guardrail": ROADS, "name_plate": ("plate", "sign", "牌", "标牌"),
    "manhole": ("mh", "cover", "chamber", "node", "well", "井", "雨水井", "节点", "井座"),
    "drain_pipe": ("segment", "pipe segment", "link", "conduit", "line", "main", "管", "管段", "管网",
        "排水管段", "haltung"),
    "channel": CHANNELS, "box_culvert": CHANNELS, "inlet": ("drain", "basin", "雨水箅子", "箅子", "收水口"),
    "outfall": ("排口", "出水口"), "pump_station": ("station", "泵房"),
}  # fmt: skip
ROW_NUMBERS = {"序号", "序號", "연번", "순번", "row", "rownumber", "index"}

LATITUDES = (
    "широта", "szerokość", "szerokość geograficzna", "緯度(度)", "latitude", "lat", "lat wgs84", "wgs84 lat",
    "gcj lat", "bd lat", "lat dd", "ylat", "y lat", "breitengrad", "breite", "latitud", "latitudine", "leveysaste",
    "northing", "north", "y coord", "ycoord", "y coordinate", "coord y", "point y", "y", "n", "纬度", "緯度",
    "위도", "北纬", "北緯", "纬度坐标", "y坐标", "纵坐标", "y坐標", "縱坐標", "縱座標", "座標y", "坐标y", "coordy",
    "gps y", "geo lat", "y座標", "tm y", "wgs84y", "wgs y", "rechtswert n", "hochwert", "pohjoinen",
)  # fmt: skip
LONGITUDES = (
    "долгота", "długość", "długość geograficzna", "経度", "longitude", "lon", "lng", "long", "lon wgs84",
    "wgs84 lng", "wgs84 lon", "gcj lng", "gcj lon", "bd lng", "bd lon", "xlong", "x long", "laengengrad",
    "längengrad", "laenge grad", "longitud", "longitudine", "pituusaste", "easting", "east", "x coord", "xcoord",
    "x coordinate", "coord x", "point x", "x", "e", "经度", "經度", "경도", "东经", "東經", "经度坐标", "x坐标",
    "横坐标", "x坐標", "橫坐標", "橫座標", "座標x", "坐标x", "coordx", "gps x", "geo lon", "geo lng", "lon dd",
    "x座標", "tm x", "wgs84x", "wgs x", "rechtswert", "itä",
)  # fmt: skip
PLACES = (
    "location", "the geom", "geom", "geometry", "wkt", "geojson", "shape", "coordinates", "coordinate", "coords",
    "lat lon", "latlon", "lat lng", "latlng", "lonlat", "lon lat", "gps", "position", "place", "point",
    "geo point", "geo point 2d", "geo shape", "wkb", "geog", "坐标", "经纬度", "座標", "經緯度", "位置",
    "位置坐标", "좌표", "위치", "ubicacion", "ubicación", "sijainti",
)  # fmt: skip
KIND_COLUMNS = (
    "kind", "facility kind", "facility type", "asset type", "assettype", "asset class", "feature type", "osm kind",
    "type", "category", "class", "structure type", "subtype", "类型", "设施类型", "部件类型", "类别", "设施类别",
    "小类", "小类名称", "部件小类", "种类", "類型", "設施類型", "類別", "种别", "종류", "시설종류", "구분", "種別",
    "种類", "art", "typ", "tyyppi", "tipo",
)  # fmt: skip

NOTHING = {
    "", "n/a", "na", "#n/a", "null", "none", "nil", "nan", "-", "--", "---", "–", "—", "/", "\\", ".", "?", "`",
    "<null>", "(null)", "\\n", "undefined", "不详", "无", "無", "暂无", "空", "不詳", "없음", "해당없음", "#ref!",
    "#value!", "#name?", "#div/0!", "#null!", "#num!",
}  # fmt: skip

# Characters that such files are full of: they tell apart encodings in which the same bytes are other characters.
FAMILIAR = {
    "gb18030": "路灯井盖街道区号市中大人民新华北南东西桥管污水雨电力通信检查口编名称经纬度类型单位权属",
    "cp950": "路燈人孔蓋街道區號市中大民新北南東西橋管污水雨電力編名稱經緯度類型單位里巷弄段",
    "cp949": "가나다라마바사아자하로길동구시도군읍면리대중앙남북서산안성등번호주소위경관설치보천원수지인전정상장",
}

# Words for kinds beside the catalogue's own names. A kind that the catalogue lacks is passed over.
KINDS: Mapping[str, tuple[str, ...]] = {
    "street_light": (
        "street light", "streetlight", "street lamp", "street lighting", "lamp post", "lamppost", "light pole",
        "lighting column", "cobrahead", "luminaire", "路灯", "路燈", "灯杆", "燈桿", "单臂灯", "双臂灯", "가로등",
        "보안등", "街路灯", "街灯", "lampadaire", "straßenlampe", "strassenleuchte", "farola", "katuvalo",
    ),
    "landscape_light": ("landscape light", "景观灯", "景觀燈", "庭院灯", "park light", "경관등"),
    "lighting_cabinet": ("lighting cabinet", "street lighting cabinet", "控制箱", "配电箱", "路灯箱变", "분전함"),
    "lighting_cable": ("lighting cable", "电缆", "電纜"),
    "carriageway": ("carriageway", "roadway", "车行道", "機動車道", "机动车道", "車道"),
    "footway": ("footway", "sidewalk", "pavement", "footpath", "人行道", "보도"),
    "kerb": ("kerb", "curb", "路缘石", "路緣石", "路沿石", "연석"),
    "guardrail": ("guardrail", "guard rail", "护栏", "護欄", "가드레일"),
    "bridge": ("bridge", "桥梁", "桥", "橋梁", "橋樑", "교량", "brücke", "silta"),
    "name_plate": ("name plate", "street sign", "路名牌", "街路牌"),
    "manhole": (
        "manhole", "manhole cover", "access chamber", "inspection chamber", "maintenance hole", "检查井", "井盖",
        "窨井", "检修井", "电力井", "通信井", "通讯井", "电信井", "弱电井", "燃气井", "煤气井", "热力井", "暖气井",
        "给水井", "自来水井", "供水井", "上水井", "污水井", "合流井", "雨污合流井", "路灯井", "阀门井", "消防井",
        "人孔", "人孔蓋", "맨홀", "マンホール", "schacht", "regard", "kaivo",
    ),
    "drain_pipe": (
        "drain pipe", "sewer", "sanitary line", "storm line", "gravity main", "force main", "storm drain", "drain",
        "sewer pipe", "pipe", "pipeline", "connector", "footing drain", "lateral", "排水管", "雨水管", "污水管",
        "管线", "管道", "排水管線", "하수관", "하수관거", "下水管",
    ),
    "channel": ("channel", "open channel", "openchannel", "ditch", "swale", "canal", "渠", "明渠", "排水渠", "수로"),
    "box_culvert": ("box culvert", "culvert", "箱涵", "涵洞", "암거"),
    "inlet": (
        "inlet", "catch basin", "catchbasin", "cb", "drop inlet", "gully", "grate", "雨水口", "雨水箅", "雨水篦",
        "雨水井", "收水井", "빗물받이",
    ),
    "outfall": ("outfall", "outfalls", "discharge point", "排水口", "排放口", "排污口", "토출구"),
    "pump_station": ("pump station", "pumping station", "pump", "lift station", "泵站", "抽水站", "펌프장"),
    "interceptor": ("interceptor", "截污挂管", "截流井"),
}  # fmt: skip

# Headings of attributes beside the catalogue's own names for them; attributes that it lacks are passed over.
ATTRIBUTES: Mapping[str, tuple[str, ...]] = {
    "network": (
        "network",
        "system type",
        "manhole",
        "substance",
        "管网类型",
        "管线类型",
        "井类型",
        "井盖类型",
        "人孔類型",
    ),
    "class": ("class", "road class", "functional class", "highway", "道路等级", "道路類別"),
    "length_m": LENGTHS,
    "width_m": ("width", "bridge width", "宽度", "桥宽", "寬度", "橋寬", "폭"),
    "width": ("width", "road width", "宽度", "路宽", "寬度", "路寬", "폭"),
    "lanes": ("lanes", "number of lanes", "车道数", "車道數"),
    "surface": ("surface", "pavement", "路面类型", "路面材料"),
    "lamps": ("lamps", "num lamps", "lamp count", "number of lamps", "灯盏数", "灯头数", "盏数", "燈數", "등수"),
    "lamp_type": (
        "lamp type",
        "light type",
        "luminaire type",
        "tipo de lampara",
        "tipo lampara",
        "tipo de luminaria",
        "leuchtmittel",
        "type de lampe",
        "light source",
        "light:method",
        "bulb type",
        "光源",
        "光源类型",
        "灯具类型",
        "ledchk",
        "led",
    ),
    "power_w": (
        "power w",
        "power",
        "wattage",
        "watts",
        "watt",
        "lamp wattage",
        "lamp power",
        "potencia",
        "potência",
        "potenza",
        "puissance",
        "leistung",
        "teho",
        "vermogen",
        "功率",
        "灯功率",
        "瓦数",
        "瓦數",
        "소비전력",
    ),
    "pole_height_m": (
        "pole height",
        "height",
        "mounting height",
        "altura",
        "hauteur",
        "masthöhe",
        "höhe",
        "korkeus",
        "杆高",
        "灯杆高度",
        "桿高",
        "높이",
    ),
    "pole_material": ("pole material", "pole type", "杆件材质", "灯杆材质"),
    "cover_material": ("cover material", "井盖材质", "盖板材质"),
    "cover_shape": ("cover shape", "hole:shape", "井盖形状"),
    "cover_size_mm": ("cover size", "cover diameter", "井盖尺寸"),
    "depth_m": ("depth", "manhole depth", "井深", "深度"),
    "anti_fall_net": ("anti fall net", "safety net", "防坠网", "防坠落网", "防坠设施", "防坠装置", "安全网"),
    "tactile": ("tactile paving", "盲道"),
    "diameter_mm": ("diameter", "pipe diameter", "pipe size", "管径", "管徑", "관경"),
    "material": ("material", "pipe material", "材质", "管材", "管材质", "管種"),
    "from": ("from manhole", "upstream manhole", "us mh", "起点井号", "起点编号"),
    "to": ("to manhole", "downstream manhole", "ds mh", "终点井号", "终点编号"),
}

# How headings ask whether a facility has something.
ASKED = (
    "是否安装{}", "是否有{}", "是否{}", "有无{}", "是否设置{}", "是否设有{}", "是否加装{}", "是否配备{}", "是否具备{}",
    "是否已安装{}", "已安装{}", "安装{}", "{}有无", "{}安装情况", "{}是否安装", "has {}", "with {}", "{} installed",
    "{} fitted", "{} present", "{} yes no",
)  # fmt: skip
FITTED = {
    "已安装": "yes",
    "安装": "yes",
    "已装": "yes",
    "未安装": "no",
    "未装": "no",
    "没有": "no",
    "無": "no",
    "缺失": "no",
}
SAID_BY_KINDS = ("network",)  # attributes that the words for a kind say as well: 污水井, Storm Sewer Manhole

# Further spellings of values: attribute → plain spelling → the catalogue's value.
SPELLINGS: Mapping[str, Mapping[str, str]] = {
    "anti_fall_net": FITTED, "tactile": FITTED,
    "network": {
        "storm sewer": "storm", "combined sewer": "combined", "sanitary sewer": "sewage", "雨污": "combined",
        "弱电": "telecom", "强电": "power", "供电": "power", "供水": "water", "上水": "water", "煤气": "gas",
        "天然气": "gas", "暖气": "heat", "供热": "heat", "排污": "sewage", "wastewater": "sewage",
        "foul": "sewage", "污": "sewage", "sewerage": "sewage", "stormwater": "storm",
        "storm": "storm", "rainwater": "storm", "雨": "storm", "合流制": "combined", "telecoms": "telecom",
        "electricity": "power", "electric": "power", "heating": "heat", "电信": "telecom", "通讯": "telecom",
    },
    "lamp_type": {
        "yes": "led", "y": "led", "true": "led", "1": "led", "halogen": "other", "incandescent": "other",
        "induction": "other", "xenon": "other", "cfl": "fluorescent", "lps": "sodium", "sox": "sodium",
        "はい": "led", "有": "led",
    },
    "class": {
        "primarylink": "primary", "secondarylink": "secondary", "tertiarylink": "tertiary", "local": "residential",
    },
}  # fmt: skip

# OpenStreetMap: (key, values or None for any, kind), the first that fits. https://wiki.openstreetmap.org/wiki/Map_features
OSM_KINDS: tuple[tuple[str, frozenset[str] | None, str], ...] = (
    ("highway", frozenset({"street_lamp"}), "street_light"),
    ("light_source", None, "street_light"),
    ("manhole", None, "manhole"),
    ("man_made", frozenset({"manhole"}), "manhole"),
    ("inlet", None, "inlet"),
    ("man_made", frozenset({"pumping_station"}), "pump_station"),
    ("man_made", frozenset({"outfall"}), "outfall"),
    ("street_cabinet", frozenset({"street_lighting", "lighting"}), "lighting_cabinet"),
    ("barrier", frozenset({"kerb"}), "kerb"),
    ("barrier", frozenset({"guard_rail"}), "guardrail"),
    ("man_made", frozenset({"bridge"}), "bridge"),
    ("bridge", frozenset({"yes", "viaduct", "movable"}), "bridge"),
    ("tunnel", frozenset({"culvert"}), "box_culvert"),
    ("waterway", frozenset({"drain"}), "drain_pipe"),
    ("waterway", frozenset({"ditch", "canal"}), "channel"),
    ("highway", frozenset({"footway", "path", "steps", "cycleway"}), "footway"),
    (
        "highway",
        frozenset(
            {
                "motorway", "trunk", "primary", "secondary", "tertiary", "unclassified", "residential", "service",
                "living_street", "pedestrian", "motorway_link", "trunk_link", "primary_link", "secondary_link",
                "tertiary_link", "road", "track",
            }
        ),
        "carriageway",
    ),
)  # fmt: skip


def plain(text: str) -> str:
    """A heading or value without case, accents of width, spaces and punctuation: ``Pole_ID `` → ``poleid``."""
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", text).casefold())


def words_in(text: str) -> str:
    """Lower-case words between single spaces, to look for words inside: ``CB tied-to`` → `` cb tied to ``."""
    words = re.findall(r"[^\W_]+", unicodedata.normalize("NFKC", text).casefold())
    return f" {' '.join(words)} "


def by_pattern(given: Mapping[str, str], text: str) -> str | None:
    """What the pattern that fits a text stands for, the one that says most: ``*`` is any characters, ``?`` one."""
    fitting = [each for each in given if ("*" in each or "?" in each) and _fits(each, text)]
    return given[max(fitting, key=_said)] if fitting else None


def _said(pattern: str) -> tuple[int, str]:
    return sum(each not in "*?" for each in pattern), pattern


def _fits(pattern: str, text: str) -> bool:
    return fnmatchcase(folded(text.strip()), folded(pattern.strip()).replace("[", "[[]"))
