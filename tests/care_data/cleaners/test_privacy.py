"""Identities and contacts against the figures of medicine: recall and precision by type, on sentences of our own.

ID cards are of no region (99…) or the example of GB 11643.
"""

from collections import Counter

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from care_data.characters import TAGS
from care_data.cleaners import MASKS, clean
from care_data.cleaners.privacy import mask_privacy, private
from care_data.cleaners.privacy.identities import is_identity

POSITIVES: dict[str, list[tuple[str, str]]] = {  # type -> (text, what must be gone from it)
    "phone": [
        ("我的电话13812345678请回电", "13812345678"),
        ("手机：15900001111，随时可打", "15900001111"),
        ("请拨+8613712345678联系家属", "13712345678"),
        ("家属电话+86 188-1234-5678。", "188-1234-5678"),
        ("电话86-13512345678", "13512345678"),
        ("联系人王先生138 0013 8001谢谢", "138 0013 8001"),
        ("Tel:13612345678 下午在", "13612345678"),
        ("tel13612345678", "13612345678"),
        ("患者女，45岁，电话19912345678，咳嗽一周", "19912345678"),
        ("发热39.2℃，急！17712345678", "17712345678"),
        ("（13012345678）李护士", "13012345678"),
        ("15812345678是我爱人的号码", "15812345678"),
        ("有结果麻烦发到16612345678这个手机", "16612345678"),
        ("Please call me at 13912345678 tonight", "13912345678"),
        ("白细胞11.2×10^9/L，联系14712345678", "14712345678"),
    ],
    "landline": [
        ("挂号电话010-88886666", "010-88886666"),
        ("门诊咨询0571-87654321转8012", "87654321转8012"),
        ("科室（021）64567890，工作日", "64567890"),
        ("护士站(0755)23456789", "23456789"),
        ("客服400-820-1234", "400-820-1234"),
        ("健康热线800-1234567", "800-1234567"),
        ("咨询电话：4008201234", "4008201234"),
        ("座机是87654321，上午有人", "87654321"),
        ("传真：0512-65432109", "65432109"),
        ("Call the clinic at (415) 555-2671 for results", "555-2671"),
        ("my number is 415-555-2671.", "415-555-2671"),
        ("病房电话0431-85612345/85612346", "85612346"),
    ],
    "email": [
        ("报告发我邮箱zhang_san88@mail.example.cn好吗", "zhang_san88"),
        ("email: li.lei+lab@clinic.example.com.", "li.lei"),
        ("13812345678@mail.example.com是我的", "13812345678"),
        ("请寄到wang-w＠hospital.example.org", "wang-w"),
        ("Send it to DR.HOUSE@Example.NET, please", "DR.HOUSE"),
        ("邮箱：10086123@mail.example.com，抄送a1@b2.example.edu.cn", "10086123"),
        ("检查结果（x_y@z.example.io）", "x_y"),
    ],
    "id_card": [
        ("身份证11010519491231002X，来院就诊", "11010519491231002X"),
        ("身份证号：990101199001011230", "990101199001011230"),
        ("患者11010519491231002x好转", "11010519491231002x"),
        ("证件号110105 19491231 002X已登记", "19491231"),
        ("身份证号码是990101680908334", "990101680908334"),
        ("身份证号码为110105194912310021", "110105194912310021"),
        ("李某，11010519491231002X，男，63岁", "11010519491231002X"),
    ],
    "wechat": [
        ("加我微信doctor_li88详聊", "doctor_li88"),
        ("微信：wangdaifu", "wangdaifu"),
        ("微信号 zhongyi2020", "zhongyi2020"),
        ("vx: jiankang-01", "jiankang-01"),
        ("VX：abcdef99，备注头痛", "abcdef99"),
        ("薇信abc12345可以发舌苔照片", "abc12345"),
        ("有事加V：liuyisheng6", "liuyisheng6"),
        ("my WeChat is ann_2021", "ann_2021"),
        ("WeChat ID: annasmith", "annasmith"),
        ("微信号是76543210", "76543210"),
    ],
    "qq": [
        ("QQ123456789", "123456789"),
        ("加qq：87654321发片子", "87654321"),
        ("QQ群 345678901", "345678901"),
        ("扣扣号10234567", "10234567"),
        ("我的QQ号是1357924680", "1357924680"),
        ("企鹅号：24681012", "24681012"),
    ],
    "record_number": [
        ("住院号：109285。", "109285"),
        ("病历号121351，因咳嗽三月入院", "121351"),
        ("门诊号 Z20210045", "Z20210045"),
        ("住院号75／1004", "75／1004"),
        ("病案号：00-12-3456", "00-12-3456"),
        ("病理号B2021-03567示腺癌", "B2021-03567"),
        ("住院号13812345678", "13812345678"),
        ("CT号：883412，肺部结节", "883412"),
        ("就诊卡号0098761234", "0098761234"),
        ("MRN: 00451234, admitted today", "00451234"),
        ("Medical record number 7781234", "7781234"),
        ("医保卡号：A12345678", "A12345678"),
        ("体检编号：20210315001", "20210315001"),
        ("【病案号】（00771234）", "00771234"),
        ("病员号：1234567，UHID 7654321", "7654321"),
    ],
    "address": [
        ("北京市海淀县前槐大街27号，周一出诊", "海淀县前槐大街27号"),
        ("地址：广东省南岭市科苑区槐园南路12号A栋3楼", "槐园南路12号A栋3楼"),
        ("家在南岭市福清区莲塘村5栋302，行动不便", "莲塘村5栋302"),
        ("诊所就在槐树巷十二号", "槐树巷十二号"),
        ("河东省桐口市西槐县李店乡王营村3组", "王营村3组"),
        ("河西市金泉区紫槐路与城东路交叉口", "紫槐路与城东路交叉口"),
        ("He lives at 45 Elm Grove Ave, Yunling, and cannot walk", "45 Elm Grove Ave"),
        ("123 Maple Street, Springvale, IL 62704", "IL 62704"),
    ],
}

NEGATIVES = """
阿莫西林胶囊每次0.5g，每日3次，餐后口服
头孢克肟100mg bid×7天
氨茶碱0.25g加入5%葡萄糖250ml静滴
胰岛素早12U、晚10U皮下注射
青霉素80万单位肌注，q12h
地塞米松10mg+生理盐水100ml
布洛芬混悬液20mg/ml，按体重5-10mg/kg
左甲状腺素50μg晨起空腹
阿托伐他汀20mg qn，氯吡格雷75mg qd
甲氨蝶呤每周10-15mg
国药准字H20013456
国药准字Z13020795，批号20230415
国药准字H13812345678
国药准字S20190023
进口药品注册证号H20140732
批准文号：国药准字B20020123
生产批号：13812345678
条形码6901234567892
条码：13812345678
药品追溯码81234567890123456789
ISBN 978-7-117-12345-6
ISBN 9787117123456
ISSN 1000-1234
PMID: 28812345678
PMID: 13812345678
PMID:31234567，PMCID: PMC7654321
doi:10.1016/j.cell.2019.01.001
doi：10.1000/13812345678
https://doi.org/10.3760/cma.j.cn112137-20200101-00001
10.1056/13912345678.123
NCT04280705
ChiCTR2000029308
临床试验登记号见附录，编号13512345678
138×10^9/L
血小板138×10^9/L，血红蛋白136g/L
血小板13800000000/L
白细胞计数15800000000个
HBV DNA 13500000000 IU/ml
HBV-DNA 1.58×10^7拷贝/ml，13600000000拷贝
红细胞4.52×10^12/L
WBC 11.2×10⁹/L，N 78.5%
ALT 138U/L，AST 156U/L，GGT 187U/L
血压138/89mmHg，心率76次/分
血压150/95-160/100mmHg
空腹血糖7.8mmol/L，餐后2小时13.9mmol/L
肌酐138μmol/L，尿酸487μmol/L
HCG 13865.27mIU/ml
孕酮25.34ng/ml，雌二醇1386pg/ml
甲胎蛋白1400ng/ml
TSH 4.27mIU/L，FT3 5.13pmol/L
2019-08-12住院，2019-08-20出院
末次月经2021-03-15，预产期2021-12-22
2020年1月15日13:45测体温38.5℃
1972年1月1日入院，年龄8岁
随访时间2018-2020，共138例
身高165cm，体重58kg，BMI 21.3
孕39+2周，胎心145次/分
右肾结石1.3cm×0.8cm，左肾0.5×0.4cm
子宫48mm×42mm×36mm，内膜8mm
肺部磨玻璃结节6mm，CT值-45HU
心脏彩超：EF 65%，LVEDD 46mm
骨密度T值-2.5，L1-L4
视力右0.6左0.8，眼压15mmHg
APGAR评分9-10-10
GCS评分15，NIHSS 4分
ICD-10编码I10.x00，E11.900
ICD-9-CM-3 51.2300
CAS 50-78-2
NDC 0002-3227-30
疫苗接种时间0-1-6月
服药时间8-12-16-20点
剂量400-600mg/d，最大800-1000mg
每日400-800IU维生素D
200-300-400mg递增
滴速40-60滴/分，总量1500-2000ml
HPV16、18、31、33、35、39型
染色体46,XY,t(9;22)(q34;q11)
rs1801133位点CT型
基因序列NM_000546.6:c.743G>A
UniProt P04637，PDB 1TUP
Q1：QQ糖可以吃吗？每次5颗
企鹅病是什么，有12000只企鹅
微信访谈2次，电话随访3次
微信公众号：jiankangkepu
微信支付500元
微信群里说的138种偏方
电话随访13例，失访2例
电话咨询费用50元
WeChat is convenient for patients
住院号-，病历号等信息
门诊号源已满，住院号另行通知
门诊号50元一个
病历书写要求24小时内完成
住院天数15天，费用13812.56元
病床编号12，住院部3楼1502室
邮编310000，邮箱未留
身份证明需携带，身高178
身份证复印件2份
990101199001011232
订单号202103151234567890
编号990101199013451230
样品1387654321份
价格1380元，数量12345678
全国患者约13812345例
1381234567891个细胞
每升约1.381亿个
产品A13812345678已停产
SN13812345678ABC
浓度1:1000稀释，1:13稀释
电话20210315随访一次
@医生 请问@全体成员
温度@37℃，pH@7.4
V信号通路，VX-770治疗囊性纤维化
VX-661与VX-445联合
vx809无效
加V领取是广告，勿信
威信很高的老中医
扣扣子时手抖，1000次练习
qq眼是什么
每分钟呼吸20-24次
参考文献[12] 中华内科杂志 2019;58(3):138-142
Lancet 2020;395:1054-62
N Engl J Med 1999;340:1234-1241
Take 500 mg every 6-8 hours, max 4000 mg/day
BP 138/86, HR 72, SpO2 98% at 1430
Range 200-300-4000 units
see shared file id 13284098147 for the scan
精子总数13807654321，活力正常
测序得到13855356777条reads
人口13999851234，床位5.9张
A cohort of 13833012345 person-days
HBV-DNA：13897748465 copies/ml
400-800-1200mg/d
加VPA500mg，加VC500mg口服
联合VP16+VCR1.4mg
电压+V 15.9，加v1-v6导联
wx-7281型分析仪
微信20000步，QQ群20000人
Q：20210315出院后怎么办
Q：10000单位青霉素够吗
fig4@2x.png为原图
临床试验登记号：NCT04280705
CAS登记号：50-78-2
Gene ID号：71571234
示范大学中山医院12号楼
病房2号楼3层302室
沿信号通路2号位点
槐安路2号线停运
北京降压0号
上海市15号新增3例
唐宁街10号
5 Hour Drive to the hospital
我是湖北的，住在武昌区
see us at example.com
""".strip().splitlines()


def masked(texts: list[str]) -> list[str]:
    """These texts through the cleaner."""
    return pl.DataFrame({"text": texts}).select(mask_privacy(pl.col("text")))["text"].to_list()


def tags(text: str) -> Counter[str]:
    """How often each type of tag stands in the text."""
    return Counter({kind: text.count(tag) for kind, tag in TAGS.items() if tag in text})


@pytest.mark.parametrize("kind", POSITIVES)
def test_recall(kind: str) -> None:
    texts, secrets = zip(*POSITIVES[kind], strict=True)
    found = masked(list(texts))
    cases = zip(texts, secrets, found, strict=True)
    assert [text for text, secret, after in cases if secret in after or TAGS[kind] not in after] == []


def test_precision() -> None:
    found = {kind: Counter[str]() for kind in POSITIVES}
    for kind, cases in POSITIVES.items():
        for after in masked([text for text, _ in cases]):
            found[kind] += tags(after)
    for kind, counter in found.items():
        assert set(counter) == {kind}  # nothing else is seen in it
    wrong = [(text, after) for text, after in zip(NEGATIVES, masked(NEGATIVES), strict=True) if text != after]
    assert wrong == []


def test_enough_cases() -> None:
    assert sum(map(len, POSITIVES.values())) >= 60
    assert len(set(NEGATIVES)) == len(NEGATIVES) >= 100
    assert set(POSITIVES) == set(MASKS["privacy"])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("13812345678/13912345678、15012345678", "[PHONE]/[PHONE]、[PHONE]"),
        ("13812345678 13912345678", "[PHONE] [PHONE]"),
        ("PMID: 13812345678，电话13812345678", "PMID: 13812345678，电话[PHONE]"),
        ("住院号：109285，微信号：abc_123，QQ：12345678", "住院号：[RECORD_NUMBER]，微信号：[WECHAT]，QQ：[QQ]"),
        ("微信同号13812345678", "微信同号[PHONE]"),
        ("电话010-88886666转12，a@b.example", "电话[LANDLINE]，[EMAIL]"),
        ("990101199001011230与990101199001011231", "[ID_CARD]与990101199001011231"),
        ("9901 0119 9001 0112 30已办", "[ID_CARD]已办"),
        ("电话13812345678人工服务，13812345678QQ同号", "电话[PHONE]人工服务，[PHONE]QQ同号"),
        ("13812345678头痛，13812345679例假没来", "[PHONE]头痛，[PHONE]例假没来"),
        ("13812345670人在外地，13812345671名字李某", "[PHONE]人在外地，[PHONE]名字李某"),
        ("+91 98765 43210", "[PHONE]"),
        ("电话（023）-6.8.5.8.7.1.1.4", "电话[LANDLINE]"),
        ("QQ：87654321、87654322和87654323", "QQ：[QQ]、[QQ]和[QQ]"),
        ("微信号abc_12、bcd_34、cde_56", "微信号[WECHAT]、[WECHAT]、[WECHAT]"),
        ("微信QQ同号87654321，加我扣1817257511", "微信QQ同号[QQ]，加我扣[QQ]"),
        ("写信到abc@163，或 li DOT lei@example.com", "写信到[EMAIL]，或 li DOT [EMAIL]"),
        ("诊所槐树路88号电话0571-87654321", "诊所[ADDRESS]电话[LANDLINE]"),
    ],
)
def test_tag_in_place(before: str, after: str) -> None:
    assert masked([before, after]) == [after, after]


def test_check_digit() -> None:
    assert is_identity("11010519491231002X")
    assert is_identity("11010519491231002x")
    assert [digit for digit in "0123456789X" if is_identity(f"99010119900101123{digit}")] == ["0"]


@pytest.mark.parametrize(
    "text", ["[WECHAT]：[WECHAT]", "微信号：[WECHAT]", "QQ[QQ]：[QQ]", "住院号[RECORD_NUMBER]", "[EMAIL]"]
)
def test_tags_are_not_values(text: str) -> None:
    assert masked([text]) == [text]


FRAGMENTS = [
    "138", "1234", "5678", "13812345678", "0571-87654321", "(0571)", "400-820-1234", "+86", "转8012", "个", "人", "mg",
    "QQ", "Q群", "加q", "：", ":", "、", "和", ",", "。", "12345678", "微信", "微信号", "vx", "加V", "+v：", "abc_123",
    "abcdef", "[WECHAT]", "[QQ]", "@", "example.com", "a@b.com", "(at)", "艾特", "住院号", "病历号", "（", "）", "【",
    "】", "No.", "#", "MRN", "身份证", "11010519491231002X", "云岭市", "清溪区", "槐安路", "18号", "3栋", "201室",
    "88", " Elm", " Street", " ", "李", "张伟", "医生", "主任医师", "大夫", "请问", "Dr.", "Emily", " Chen", "MD", "于",
]  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(st.sampled_from(FRAGMENTS), max_size=12).map("".join), min_size=20, max_size=40))
def test_twice_equals_once(texts: list[str]) -> None:
    once, _ = clean(pl.DataFrame({"text": texts}), ["privacy", "names"], ["text"])
    assert clean(once, ["privacy", "names"], ["text"])[0]["text"].to_list() == once["text"].to_list()


def test_private_records() -> None:
    frame = pl.DataFrame(
        {
            "text": ["电话13812345678", "头痛", "李大夫", "[PHONE]", None],
            "history": [[], [["好", "QQ87654321"]], [[None]], None, [["谢谢", "张伟主任医师，您好"]]],
        },
        schema={"text": pl.String, "history": pl.List(pl.List(pl.String))},
    )
    columns = {"text": 0, "history": 2}
    assert frame.select(private(columns)).to_series().to_list() == [True, True, False, False, False]
    assert frame.select(private(columns, names=True)).to_series().to_list() == [True, True, True, False, True]


def test_null_stays_null() -> None:
    assert masked([None, "好", "QQ123456"]) == [None, "好", "QQ[QQ]"]  # type: ignore[list-item]
