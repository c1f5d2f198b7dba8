"""Tools that a model calls while it answers: ours are carried out, the client's are its own."""

from __future__ import annotations

import msgspec

from actors.chatting.tool_rounds import CALLS_MAX, ROUNDS_MAX, client_tools
from actors.models.port import ToolCall
from actors.models.settings import ModelSettings
from events.catalogue import AnswerAbandoned, AnswerGiven, AssistantProfile, GenerationCompleted
from events.said import AnswerOptions
from tests.unit.fakes.chat_parts import BIG, Peers, Speaking, Stage, asking, hit

WEATHER = {
    "type": "function",
    "function": {"name": "weather", "description": "d", "parameters": {"type": "object"}},
}


def with_tools(*found: object, tools: object = True) -> Peers:
    peers = Peers(*found)  # type: ignore[arg-type]  # hits
    peers.profile = AssistantProfile(id="agt", name="n", model_settings={"tools": tools})
    return peers


def look(query: str, id: str = "c1") -> ToolCall:
    arguments = msgspec.json.encode({"query": query}).decode()
    return ToolCall(id=id, name="memory_search", arguments=arguments)


QUESTION = asking("Where does Zoe live?", assistant="agt")


async def test_the_model_answers_from_what_a_tool_returned() -> None:
    """The call goes through the tool agent, its result back to the model, both rounds are told."""
    peers = with_tools(hit("a", "Zoe lives in Lisbon"))
    model = Speaking(["Let me look.", look("Zoe")], ["In Lisbon."])
    stage = Stage(model, peers)
    first, second, given = await stage.answer(QUESTION)
    assert isinstance(first, GenerationCompleted)
    assert isinstance(second, GenerationCompleted)
    assert first.generation_id != second.generation_id
    assert [call["name"] for call in first.tool_calls] == ["memory_search"]
    assert first.parameters["tools"] == ["memory_search", "current_time"]
    assert isinstance(given, AnswerGiven)
    assert given.content == stage.text() == "Let me look.\n\nIn Lisbon."
    assert (given.finish_reason, given.tool_calls) == ("stop", ())
    assert given.usage.prompt_tokens == 20
    asked, result = model.requests[1].turns[-2:]
    assert asked.tool_calls[0].id == result.tool_call_id == "c1"
    assert "Zoe lives in Lisbon" in result.content
    assert "calling memory_search" in [part.text for part in stage.heard]


async def test_no_tools_are_offered_when_the_profile_does_not_ask_for_them() -> None:
    """A model that knows no tools is not confused by ours; a profile may choose among them."""
    model = Speaking(["Hi."], ["Hi."])
    await Stage(model).answer(QUESTION)
    chosen = with_tools(tools=["current_time"])
    await Stage(model, chosen).answer(QUESTION)
    names = [[tool.name for tool in request.tools] for request in model.requests]
    assert names == [[], ["current_time"]]


async def test_what_went_wrong_with_a_call_is_told_to_the_model() -> None:
    """Unknown tools, bad JSON and refused arguments are results like others."""
    calls = (
        ToolCall(id="1", name="fly", arguments="{}"),
        ToolCall(id="2", name="memory_search", arguments="{"),
        ToolCall(id="3", name="memory_search", arguments="{}"),
        ToolCall(id="4", name="memory_search", arguments="[1]"),
        ToolCall(id="5", name="memory_search", arguments='{"limit": ' + "9" * 30 + "}"),
        ToolCall(id="6", name="memory_search", arguments='{"query": ' + "[" * 5000),
    )
    model = Speaking(list(calls), ["I cannot."])
    peers = with_tools()
    await Stage(model, peers).answer(QUESTION)
    told = [turn.content for turn in model.requests[1].turns if turn.role == "tool"]
    assert all(text.startswith('{"error":') for text in told)
    assert "no tool" in told[0]
    assert all("no JSON object" in told[at] for at in (1, 4, 5))
    assert "query" in told[2]
    assert len(peers.called) == 1


async def test_calls_are_bounded_in_rounds_and_number() -> None:
    """A model that only ever asks for tools has no answer, and that is said."""
    rounds = [[look("x", f"c{n}")] for n in range(ROUNDS_MAX + 1)]
    rounds[0] = [look("x", f"d{n}") for n in range(CALLS_MAX + 2)]
    model = Speaking(*rounds)
    peers = with_tools()
    payloads = await Stage(model, peers).answer(QUESTION)
    assert isinstance(payloads[-1], AnswerAbandoned)
    assert payloads[-1].kind == "invalid"
    assert len(peers.called) == len(set(peers.called)) == CALLS_MAX + ROUNDS_MAX - 1
    assert "answer now" in model.requests[-1].turns[-1].content


async def test_the_same_call_has_the_same_id_when_an_answer_is_made_again() -> None:
    """After a crash the tool agent knows the call, and does not carry it out twice."""
    called = []
    for _ in range(2):
        peers = with_tools()
        await Stage(Speaking([look("Zoe")], ["Hi."]), peers).answer(QUESTION)
        called += peers.called
    assert called[0] == called[1]


async def test_a_result_is_cut_to_the_room_that_is_left() -> None:
    """A small context is not overrun by what tools return."""
    small = msgspec.structs.replace(BIG, context_tokens=1500)
    peers = with_tools(*(hit(str(n), "Zoe " * 300) for n in range(5)))
    model = Speaking([look("Zoe")], ["Hi."])
    stage = Stage(model, peers, ModelSettings(providers=(small,)))
    assert isinstance((await stage.answer(QUESTION))[-1], AnswerGiven)
    request = model.requests[1]
    asked = sum(len(turn.content.encode()) for turn in request.turns) / 3
    assert asked + request.max_tokens <= 1500


async def test_an_answer_ends_with_the_calls_of_the_clients_own_tools() -> None:
    """The client makes them; it goes on with their results."""
    call = ToolCall(id="c9", name="weather", arguments='{"city": "Lisbon"}')
    peers = with_tools()
    stage = Stage(Speaking([call]), peers)
    options = AnswerOptions(tools=(WEATHER,))
    _, given = await stage.answer(asking("Is it warm there?", options=options, assistant="agt"))
    assert isinstance(given, AnswerGiven)
    assert given.finish_reason == stage.heard[-1].finish_reason == "tool_calls"
    function = {"name": "weather", "arguments": '{"city": "Lisbon"}'}
    assert given.tool_calls == ({"id": "c9", "type": "function", "function": function},)
    assert stage.heard[-1].tool_calls == given.tool_calls
    assert peers.called == []


async def test_the_dialogue_goes_on_after_the_clients_tool() -> None:
    """The result stands behind its call, whichever way the client tells the dialogue."""
    turns = (
        {"role": "user", "content": "Is it warm in Lisbon?"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "c9", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
            ],
        },
    )
    model = Speaking(["Yes."])
    peers = Peers()
    options = AnswerOptions(tools=(WEATHER,), turns=turns)
    message = asking("27 degrees", role="tool", tool_call_id="c9", options=options)
    await Stage(model, peers).answer(message)
    assert [turn.role for turn in model.requests[0].turns[1:]] == ["user", "assistant", "tool"]
    assert peers.searched[0].query.startswith("Is it warm in Lisbon?")


def test_a_clients_tools_are_read_in_both_forms() -> None:
    """OpenAI's objects and ours; what has no name is none."""
    plain = {"name": "plain", "input_schema": {"type": "object"}}
    offered = client_tools((WEATHER, plain, {"type": "function"}))
    assert [tool.name for tool in offered] == ["weather", "plain"]
