"""A model loaded once, and its answers as streams of text, many at a time."""

from care_train.generation.chatbots import Chatbot, load_chatbot
from care_train.generation.engine import Engine, Generation, Piece, Request
from care_train.generation.prompts import History, Message, Prompt, Talk, fit_prompt, read_messages
from care_train.generation.sampling import Drawn, Likelihood

__all__ = [
    "Chatbot",
    "Drawn",
    "Engine",
    "Generation",
    "History",
    "Likelihood",
    "Message",
    "Piece",
    "Prompt",
    "Request",
    "Talk",
    "fit_prompt",
    "load_chatbot",
    "read_messages",
]
