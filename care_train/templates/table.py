"""The templates by name.

A chat template of a model is the ids it was trained on, so each says in `origin` whose ids it gives. Where a model
ends answers by the token that opens the next turn (ChatGLM3, GLM-4), the answer holds that token; where upstream
teaches the end-of-text token without writing it (Baichuan, ChatGLM2, InternLM), it is written and learned.
"""

from difflib import get_close_matches

from care_train.errors import CareError, Exit
from care_train.templates.layouts import Template

# The system prompt Meta published with Llama 2; the 2023 adapters were trained with it.
LLAMA2_SYSTEM = (
    "You are a helpful, respectful and honest assistant. "
    "Always answer as helpfully as possible, while being safe.  "
    "Your answers should not include any harmful, unethical, racist, sexist, toxic, dangerous, or illegal content. "
    "Please ensure that your responses are socially unbiased and positive in nature.\n"
    "If a question does not make any sense, or is not factually coherent, "
    "explain why instead of answering something not correct. "
    "If you don't know the answer to a question, please don't share false information."
)
# These open every prompt that the models were trained on, word for word.
ALPACA_SYSTEM = (
    "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n"
)
VICUNA_SYSTEM = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions."
)
QWEN_SYSTEM = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."
INTERNLM2_SYSTEM = (
    "You are an AI assistant whose name is InternLM (书生·浦语).\n"
    "- InternLM (书生·浦语) is a conversational language model that is developed by Shanghai AI Laboratory "
    "(上海人工智能实验室). It is designed to be helpful, honest, and harmless.\n"
    "- InternLM (书生·浦语) can understand and communicate fluently in the language chosen by the user such as "
    "English and 中文."
)

TODAY = "ids as in LLaMA-Factory 0.9.5"
LAST = "ids as in LLaMA-Factory 0.7.1, the last with it"

IM_USER = "<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n"
IM_SYSTEM = "<|im_start|>system\n{system}<|im_end|>\n"
IM_ANSWER = "{answer}<|im_end|>\n"
IM_TOKENS = ("<|im_start|>", "<|im_end|>")
HEADER_3 = "<|start_header_id|>{}<|end_header_id|>\n\n"
ASSISTANT_3 = "<|eot_id|>" + HEADER_3.format("assistant")
GLM_TOKENS = ("<|system|>", "<|user|>", "<|assistant|>")

LLAMAS = (
    Template(
        name="llama2",
        user="{bos}[INST] {system}{question} [/INST]",
        system="<<SYS>>\n{system}\n<</SYS>>\n\n",
        origin=TODAY,
        unchecked="Llama 2",
    ),
    Template(
        name="llama2_care",
        user="{bos}[INST] {system}{question} [/INST] ",
        system="<<SYS>>\n{system}\n<</SYS>>\n\n",
        default_system=LLAMA2_SYSTEM,
        bos="added",
        origin="ids as in CareLlama of 2023, template llama2",
        unchecked="Llama 2",
    ),
    Template(
        name="llama3",
        prefix="{bos}{system}",
        system=HEADER_3.format("system") + "{system}<|eot_id|>",
        user=HEADER_3.format("user") + "{question}" + ASSISTANT_3,
        observation=HEADER_3.format("ipython") + "{question}" + ASSISTANT_3,
        assistant="{answer}<|eot_id|>",
        tokens=("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
        stop_words=("<|eom_id|>",),
        origin=TODAY,
        unchecked="Llama 3",
    ),
    Template(
        name="alpaca",
        prefix="{system}",
        system="{system}{cut}",
        default_system=ALPACA_SYSTEM,
        user="### Instruction:\n{question}\n\n### Response:\n",
        assistant="{answer}{eos}\n\n",
        origin=TODAY,
        unchecked="Alpaca",
    ),
    Template(
        name="vicuna",
        prefix="{system}",
        system="{system}{cut}",
        default_system=VICUNA_SYSTEM,
        user="USER: {question} ASSISTANT:",
        origin=TODAY,
        unchecked="Vicuna",
    ),
    Template(
        name="ziya",
        prefix="{bos}{system}",
        system="{system}{cut}",
        bos="added",
        user="<human>:{question}\n<bot>:",
        between="\n{cut}",
        tokens=("<human>", "<bot>"),
        origin=LAST,
        unchecked="Ziya",
    ),
)
CHATML = (
    Template(
        name="chatml",
        prefix="{system}",
        system=IM_SYSTEM,
        user=IM_USER,
        observation=IM_USER.replace("user", "tool"),
        assistant=IM_ANSWER,
        tokens=IM_TOKENS,
        origin=TODAY,
    ),
    Template(
        name="qwen",
        prefix="{system}",
        system=IM_SYSTEM,
        default_system=QWEN_SYSTEM,
        user=IM_USER,
        observation=IM_USER.replace("{question}", "<tool_response>\n{question}\n</tool_response>"),
        assistant=IM_ANSWER,
        tokens=IM_TOKENS,
        origin=TODAY,
    ),
    Template(
        name="internlm2",
        prefix="{bos}{system}",
        system=IM_SYSTEM,
        default_system=INTERNLM2_SYSTEM,
        user=IM_USER,
        assistant=IM_ANSWER,
        tokens=IM_TOKENS,
        origin=TODAY + ", template intern2",
        unchecked="InternLM2",
    ),
)
OTHERS = (
    Template(
        name="baichuan",
        prefix="{system}",
        user="<reserved_102>{cut}{question}<reserved_103>",
        tokens=("<reserved_102>", "<reserved_103>"),
        origin=LAST + ", and an end after every answer",
        unchecked="Baichuan",
    ),
    Template(
        name="baichuan2",
        prefix="{system}",
        user="<reserved_106>{question}<reserved_107>",
        tokens=("<reserved_106>", "<reserved_107>"),
        origin=LAST + ", and an end after every answer",
        unchecked="Baichuan 2",
    ),
    Template(
        name="chatglm2",
        prefix="[gMASK]sop{cut}{system}",
        system="{system}{cut}",
        user="[Round {round}]\n\n问：{question}\n\n答：",
        between="\n\n{cut}",
        tokens=("[gMASK]", "sop"),
        origin=LAST + ", but rounds counted from 1 as the model does, and an end after every answer",
        unchecked="ChatGLM2",
    ),
    Template(
        name="chatglm3",
        prefix="[gMASK]sop{system}<|user|>",
        system="<|system|>{cut}\n{cut}{system}",
        user="{cut}\n{cut}{question}<|assistant|>",
        assistant="\n{cut}{answer}<|user|>",
        tokens=("[gMASK]", "sop", *GLM_TOKENS),
        stop_words=("<|observation|>",),
        origin=TODAY + ", but <|user|> ends the last answer too",
        unchecked="ChatGLM3",
    ),
    Template(
        name="glm4",
        prefix="[gMASK]<sop>{system}<|user|>",
        system="<|system|>\n{system}",
        user="\n{question}<|assistant|>",
        assistant="\n{answer}<|user|>",
        tokens=("[gMASK]", "<sop>", *GLM_TOKENS),
        stop_words=("<|observation|>",),
        origin=TODAY + ", but <|user|> ends the last answer too",
        unchecked="GLM-4",
    ),
    Template(
        name="internlm",
        prefix="{bos}{system}",
        system="<|System|>:{system}\n",
        bos="added",
        user="<|User|>:{question}<eoh>{cut}\n<|Bot|>:",
        assistant="{answer}<eoa>",
        between="\n{cut}",
        tokens=("<eoh>", "<eoa>"),
        origin=LAST + " as intern, but <eoa> ends the last answer too and <|System|>: opens a system prompt",
        unchecked="InternLM",
    ),
    Template(
        name="deepseek",
        prefix="{bos}{system}",
        system="{system}\n\n{cut}",
        user="User: {question}\n\nAssistant:",
        assistant=" {answer}{eos}",
        origin=TODAY + ", but a space before the answer as the model's own template has it",
        unchecked="DeepSeek LLM",
    ),
    Template(
        name="deepseek3",
        prefix="{bos}{system}",
        user="<｜User｜>{question}<｜Assistant｜>",
        tokens=("<｜User｜>", "<｜Assistant｜>"),
        origin=TODAY,
        unchecked="DeepSeek V3",
    ),
    Template(
        name="vanilla",
        prefix="{bos}{system}",
        system="{system}{cut}",
        user="{question}",
        bos="added",
        origin="question and answer as they are, for base models",
    ),
    Template(
        name="plain",
        prefix="{bos}{system}",
        user="Question: {question}\nAnswer: ",
        assistant="{answer}{eos}\n",
        system="{system}\n",
        stop_words=("\nQuestion:",),
        origin="our own, for models without a chat format",
    ),
    Template(name="auto", user="{question}", own=True, origin="the chat template that comes with the tokenizer"),
)
TEMPLATES = {template.name: template for template in (*LLAMAS, *CHATML, *OTHERS)}
ALIASES = {"intern": "internlm", "intern2": "internlm2"}


def find_template(name: str) -> Template:
    """The template of this name; an unknown one raises with the nearest name and all names."""
    name = ALIASES.get(name, name)
    if name in TEMPLATES:
        return TEMPLATES[name]
    near = get_close_matches(name, TEMPLATES, n=1)
    hint = f"Did you mean {near[0]}? " if near else ""
    fix = f"{hint}There are: {', '.join(TEMPLATES)}."
    raise CareError(f"template {name} is unknown", fix=fix, code=Exit.USAGE)
