"""Doctors by name: [DOCTOR] for 张伟主任医师, 李大夫, Dr. Emily Chen; 大夫 alone and names without a title stay.

Surnames are also words (高血压医生, 白内障大夫, 由于医生), so a name needs a surname, given names of characters that
are used in names, a title, and before it the start of a phrase or a word that leads to a person.
"""

import polars as pl

from care_data.characters import TAGS
from care_data.cleaners.privacy.replacement import END, mask_where, replace_unless

HOT = r"医[生师]|大夫|主任|教授|院士|(?-u:\b)(?:Dr|Doctor|Prof)|, ?(?:M\.?D|MBBS)"

SURNAME = (
    "王李张刘陈杨赵黄周吴徐孙胡朱林何郭罗梁宋郑韩唐冯董萧程曹袁邓傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏钟汪田姜范姚谭廖邹熊"
    "陆郝孔崔邱秦顾侯邵孟龙段雷钱汤尹黎贺赖龚殷庞樊兰施陶洪翟倪严牛俞章鲁葛韦毛颜柯裴霍辛曲聂耿焦涂欧骆梅岳齐邢季卞饶靳屠甄刁"
    "柴蒙鲍池桂屈谷付肖娄丘胥宁迟詹冉阮喻舒雍瞿司阳覃缪晏苗卓褚景栾凌储芦窦仲闵伍纪翁荣苟郁尤闫卜虞晁冀邬蔺邝荆佟湛乔蓝滕佘邰"
    "仝逄臧逯阚戚甘冼车麦祁鞠许申毕丛柳庄牟费项席隋柏边卫桑"
)
WORDS = "高马常白方石温康江安单任关文金万史盛武易左冷党童巫包游莫米"
"""Surnames that are words too: with a title alone they are names only where a phrase begins, or after 请问 and 找."""
PARTICLES = "于谢时应管"
"""Surnames that begin phrases as well (于医生处就诊): with a title alone only after 请问 and 找."""

COMPOUND = r"欧阳|司徒|上官|诸葛|司马|慕容|皇甫|尉迟|公孙|夏侯|令狐|端木|轩辕|独孤|宇文|长孙|钟离|澹台|濮阳|淳于|申屠"
GIVEN = (
    "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉兰红梅玲林建国春宝文志新辉飞鹏浩宇轩然子涵雨欣怡佳琪思梓豪俊博瑞雪莹慧"
    "晓小云燕萍琴凤珍琳媛婷婉清淑惠珠翠雅芝青山若默远可牧澄立诚秉知竹一鸣峰龙海波斌健康亮亚庆旭东阳晨光荣耀祥福贵德仁义礼智信"
    "忠孝廉良友谊爱民卫朝正大成功业兴旺盛昌隆泰宁安顺利永恒恩泽洪江河湖溪泉源松柏枫桐森楠梦洁冰雁鸿鹤莉莲荷菊茜薇蕾蓉蓓菁菲萌"
    "苗茹莎芸芬花香韵诗画琦瑜瑶璐琼瑾璇璟珊瑛珂环玮珏珺瑗璞曼妮妍姝娇娥嫣婧媚嬛姗姣丹彤彩虹露霜霖雯霏岩岚峻嵩岳崇巍巧颖聪睿哲"
    "翰墨彬斐昊昱昕晖晗晶晔曦煜炜烨焕灿炎烈熙燊钧铭锋锐钢铁鑫钰锦铮镇银金铎坤乾坚培基城增奎威武剑毅胜凯旋航帆舟进学勤勉励奋振"
    "发展达道传承继绍先启元始初宗祖荫嗣延年寿长庚辰寅卯申戊戌贤圣杨柳桃李杏樱槐榕棠梁栋权衡树根生群鲁豫沪渝滨津京冀川洲深润泓"
    "淳涌沛济洵浚淼渊瀚漪潇滢漫如意愿念忆怀恬悦愉忻恺慎慈懿宏宪定守家富宽宾寒存季孟仲伯叔彦彪征循心忱力加劲劼勋北南西中丰万世"
    "久乐九乃亦亭亿仪企伊伍伦佑佩侠保俐修倩倬儒兆典冠冬凌凡勃包升卓厚叶君吉品唯商善喜嘉园固圆堂壮夏太奇奕妙娴孜孚宜实封尊尚屏"
    "岱峥嶙巨希帅帮庭廷弘张录彰影律微恕慰才扬抒湘霆拓捷掌揆敬斯"
)
"""Characters of given names; none of illness, treatment or small talk."""

TITLE = r"(?:副?主任(?:中?医师)?|(?:主治|住院|执业|助理|经治|主管)中?医[生师]|中?医师|医生|大夫|副?教授|院士)"
RANK = r"(?:副?主任中?医师|(?:主治|住院|执业|经治|主管|责任|管床)中?医[生师])"
STARTS = r"(?m:^)|[\s\p{P}\p{S}]"
LEADS = (
    r"请问|感谢|谢谢|多谢|[找挂是跟给让请的和与看听被者为]|问[下问]?|麻烦|谢谢[你您]|接诊|主诊|主刀|联系|咨询|预约|[您你]好|麻醉|专家|博士|推荐|遇到"
    r"|昨天|今天|上次|科|医院|中心|门诊"
)
ASKS = r"请问|感谢|谢谢|多谢|找|挂|我是|[您你]好|尊敬的"
FOLLOWS = (
    r"[\s\p{P}]|$|建议|说|表示|认为|指出|介绍|提醒|解释|告[诉知]|记录|查房|签[名字]|会诊|[出坐接]诊|主刀|诊断|团队|带领|教授|为|给|在"
    r"|的|和|等"
)
KEPT = (
    rf"(?:{STARTS}|{LEADS})?(?:"
    r"(?:[为任如]何|[由对关至鉴等属处]于|家庭|[责现历时兼担出]任|经常|[非正平日通异照反]常|[也允或]许|[院校警对双我厂官各]方"
    r"|[有相无]关|许可|陆军|宁夏|沈阳|邵阳|欧洲|夏季|左右|高明|高年|高兴|白天|明白|文明|安康|华西|江西|江苏|鲁西|张家口|石家庄|周[一二三四五六日末]|谢谢|感谢"
    r"|张仲景|李时珍|华佗|孙思邈|叶天士|朱丹溪|李东垣|钱乙|张锡纯|白求恩|吴鞠通|王清任|傅青主)"
    rf"{TITLE}|任{RANK}|任副?(?:主任|教授)|于{RANK})"
)
"""Words that end in a surname, places, and doctors of old books, whom texts are about."""

CHINESE = (
    rf"(?P<before>{STARTS}|{LEADS})"
    rf"(?:(?:[{SURNAME}]|{COMPOUND})[{GIVEN}]{{0,2}}?|[{WORDS}{PARTICLES}][{GIVEN}]{{1,2}}?){TITLE}"
    rf"|(?:[{SURNAME}]|{COMPOUND})(?:[{GIVEN}]{{2}}{TITLE}|[{GIVEN}]{RANK})"
)
"""A whole name with its title needs nothing before it."""
CHINESE_WORD = rf"(?P<before>{STARTS})[{WORDS}](?:医生|大夫|副?主任|副?教授)"
CHINESE_ASKED = rf"(?P<before>{ASKS})[{WORDS}{PARTICLES}](?:医生|大夫|副?主任|副?教授)"
CHINESE_RANK = rf"{RANK}\s?[:：]?\s?(?:[{SURNAME}{WORDS}{PARTICLES}]|{COMPOUND})[{GIVEN}]{{1,2}}?(?P<after>{FOLLOWS})"

CALLED = r"(?:(?:Dr|Prof)\.?|Doctor|Professor)"
CAPITAL = r"[A-Z][a-z'’-]+[A-Za-z]*"
NO_NAMES = (
    r"(?:I|My|We|The|This|That|These|Please|Pls|Plz|Thanks?|Thank|Can|Could|What|Which|Why|When|Where|Who|How|Is|Are|Am|Was|He|She|It|In"
    r"|On|At|For|From|So|To|With|Hi|Hello|Hey|Sir|Madam|Will|Would|Should|Do|Does|Did|If|As|After|And|But|Or|Of|Your|You|There|Now|Since"
    r"|Last|Have|Had|Has|Just|First|Regards|Kindly|Need|Any|Some|Yes|No|Not|Good|Dear|Help|Also|Actually|Recently|Today|Yesterday|Me|Sorry"
    r"|Advice|Google|Who|Visit|Specialist|Said|Told|Prescribed|Advised|Suggested|Appointment|Consultation|Answer|Brief|Detailed|One)"
)
ENGLISH = rf"{CALLED}\s(?:[A-Z]\.\s?){{0,2}}{CAPITAL}(?:\s(?:[A-Z]\.|{CAPITAL})){{0,2}}{END}"
ENGLISH_KEPT = rf"{CALLED}\s{NO_NAMES}{END}|Silver Spring, MD"
ENGLISH_DEGREE = rf"{CAPITAL}\s(?:[A-Z]\.?\s)?{CAPITAL},\s?(?:M\.?D\.?|MBBS|M\.B\.B\.S\.?|FRCS|FACC){END}"


def mask_names(text: pl.Expr) -> pl.Expr:
    """Text with [DOCTOR] for each doctor's name together with the title."""
    return mask_where(text, HOT, mask_written)


def mask_written(text: pl.Expr) -> pl.Expr:
    """Text with [DOCTOR] for each name; one pass for each way names are written, so that none needs two groups."""
    for kept, value in (
        (KEPT, CHINESE),
        (KEPT, CHINESE_WORD),
        (KEPT, CHINESE_ASKED),
        (KEPT, CHINESE_RANK),
        (ENGLISH_KEPT, f"{ENGLISH}|{ENGLISH_DEGREE}"),
    ):
        text = replace_unless(text, kept, value, TAGS["doctor"])
    return text
