"""What `model` may name, and vectors, for the official OpenAI client."""

from __future__ import annotations

import openai
import pytest

from events.catalogue import MessageReceived
from serve.settings import ServeSettings
from tests.unit.fakes.gateway import V1
from tests.unit.fakes.openai_client import TEXT, served


async def test_models_are_the_assistants_and_the_configured_ones_when_listed() -> None:
    """Each can be asked for, a profile by its name as well."""
    async with served(ServeSettings(models=("big", "small"), model_kinds=("vllm", "openai"))) as it:
        made = await it.http.post(f"{V1}/agents/", json={"name": "Travel helper"})
        agent = made.json()["id"]
        listed = [one.id async for one in it.client.models.list()]
        assert listed == ["mirix", "big", "small", agent]
        assert (await it.client.models.retrieve("Travel helper")).id == agent
        with pytest.raises(openai.NotFoundError):
            await it.client.models.retrieve("nobody/at-all")
        expected = {"big": ("", "big"), "Travel helper": (agent, ""), agent: (agent, "")}
        for count, (model, (assistant, name)) in enumerate(expected.items(), start=1):
            asking = it.ask(model=model)
            message: MessageReceived = (await it.chat.asked(count))[-1]
            assert message.options is not None
            assert (message.assistant, message.options.model) == (assistant, name)
            await it.chat.finish(message, TEXT)
            assert (await asking).model == model
        shown = (await it.http.get(f"{V1}/models")).json()["models"]
        assert shown == [
            {"name": "big", "kind": "vllm", "default": True},
            {"name": "small", "kind": "openai", "default": False},
        ]


async def test_vectors_are_equal_when_asked_for_as_numbers_or_as_base64() -> None:
    """The SDK asks for base64 by itself; a text alone is a list of one."""
    async with served() as it:
        texts = ["Ann lives in Oslo", "安住在奥斯陆"]
        coded = await it.client.embeddings.create(model="mirix", input=texts)
        plain = await it.client.embeddings.create(
            model="mirix", input=texts, encoding_format="float"
        )
        assert [one.embedding for one in coded.data] == [one.embedding for one in plain.data]
        assert [one.index for one in coded.data] == [0, 1]
        assert abs(sum(number**2 for number in coded.data[0].embedding) - 1) < 1e-5
        assert coded.usage.total_tokens > 0
        alone = await it.client.embeddings.create(model="mirix", input=texts[0])
        assert alone.data[0].embedding == coded.data[0].embedding
        with pytest.raises(openai.BadRequestError):
            await it.client.embeddings.create(model="mirix", input=[[1, 2]])
        with pytest.raises(openai.BadRequestError):
            await it.client.embeddings.create(model="mirix", input="x", dimensions=7)
