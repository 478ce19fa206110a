"""What people are told wherever they meet a model."""

NOTICE = "Words of a language model, not a doctor's advice. In an emergency call your local emergency number."
NOTICE_ZH = "以下是语言模型生成的文字，不是医生的建议。紧急情况请立即拨打当地急救电话。"
