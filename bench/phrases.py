"""Sentences that look like those of Chinese consultation sites, recombined from short lists of words."""

import itertools

WHO = ["我", "我妈妈", "家里老人", "孩子", "我爱人", "同事", "我外公", "表妹"]
WHEN = ["这两天", "从上周起", "半个月来", "吃完饭以后", "每到夜里", "天一冷就", "上楼的时候", "体检之后"]
WHERE = ["右膝", "后腰", "胃里", "嗓子", "左边肩膀", "小腿肚", "太阳穴", "脚后跟", "眼眶", "胸口下面"]
WHAT = ["一阵一阵地疼", "又酸又胀", "有些发麻", "总觉得发紧", "按着不舒服", "发痒起皮", "像针扎一样", "使不上力气"]
ASIDE = [
    "没有发过烧。",
    "以前没有得过什么大病。",
    "量过血压，高压在150上下。",
    "拍过片子，单子上写着“未见异常”，可还是不放心。",
    "自己贴过两天膏药，没见好。",
    "胃口还行，就是睡不踏实。",
    "验血结果：白细胞 6.2×10^9/L，其他都正常。",
    "平时久坐，一天要开十个小时的车。",
]
ASK = [
    "请问要不要去医院？",
    "该挂哪个科呢？",
    "吃什么药好得快？",
    "这种情况要紧吗？",
    "饮食上要注意什么？",
    "需要做哪些检查？",
]

CAUSE = ["劳累", "受凉", "姿势不对", "饮食没有规律", "情绪紧张", "缺少活动", "血糖偏高", "一时用力过猛"]
ACT = [
    "先休息三到五天，",
    "用热毛巾敷一刻钟，",
    "少吃辛辣和油腻的东西，",
    "每天慢走半小时，",
    "抬高患肢再冷敷，",
    "晚饭吃到七分饱，",
    "睡前用温水泡脚，",
    "把枕头垫高一些，",
]
THEN = [
    "一般一周左右能缓下来。",
    "要是夜里加重，就早点去看门诊。",
    "不要自己加药量，也不要突然停药。",
    "两周后复查一次，看指标有没有变化。",
    "可以做个彩超，再验个血常规，结果出来再商量。",
    "说明书上写着“饭后服用”的，就别空着肚子吃。",
    "孕妇和儿童要先问过医生再用。",
    "疼得厉害时可以短期用止痛药，别超过三天。",
]
OPEN = ["您好，", "从您说的来看，", "这多半不是大毛病，", "首先别太担心，", "根据描述，", "这种症状很常见，"]

QUESTIONS = [
    *(f"{who}{when}{where}{what}，" for who, when, where, what in itertools.product(WHO, WHEN, WHERE, WHAT)),
]
"""Clauses a question begins with, 5,120 of them."""

ANSWERS = [
    f"{begin}可能和{cause}有关，{act}{then}" for begin, cause, act, then in itertools.product(OPEN, CAUSE, ACT, THEN)
]
"""Sentences an answer is made of, 3,072 of them."""

ENGLISH = [
    f"{who} has had {what} for {when}, and {then}."
    for who, what, when, then in itertools.product(
        ["My father", "My knee", "The child", "A friend", "My lower back"],
        ["a dull ache", "some swelling", "tingling", "a dry patch", "cramps at night"],
        ["two days", "a week", "about a month", "longer than usual"],
        ["rest did not help", "warm water eased it", 'the report said "normal"', "walking makes it worse"],
    )
]
"""English sentences, 400 of them."""
