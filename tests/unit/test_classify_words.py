"""The rarer forms of orders: other languages, noun phrases, errands, names of code."""

import pytest

from shared.classify import classify_local


@pytest.mark.parametrize(
    ("text", "category"),
    [
        # pictures and videos
        ("请帮我画一只猫", "IMAGE_GEN"),
        ("夕日の絵を描いてください", "IMAGE_GEN"),
        ("生成一个视频：海边的日落", "VIDEO_GEN"),
        ("Erstelle ein Bild von einem Leuchtturm", "IMAGE_GEN"),
        ("Crea un vídeo de un gato", "VIDEO_GEN"),
        ("Нарисуй мне домик в лесу", "IMAGE_GEN"),
        ("Erstelle einen Plan für meine Woche", "MULTILINGUAL"),
        ("a portrait of a queen, baroque style", "IMAGE_GEN"),
        ("footage of a market at night", "VIDEO_GEN"),
        ("cinematic lighting, 8k, octane, misty harbour at dawn", "IMAGE_GEN"),
        ("Turn this poem into an image", "IMAGE_GEN"),
        ("Turn this paragraph around for me so it reads better", "MEDIUM"),
        ("Use AI to make a cartoon of my dog", "IMAGE_GEN"),
        ("Draw a flowchart of the hiring process", "IMAGE_GEN"),
        ("Draw a Mermaid flowchart of the hiring process", "CODING"),
        ("Illustrate why empathy matters at work", "MEDIUM"),
        ("Draw up a list of chores for the week", "MEDIUM"),
        ("Create a scene in which two rivals finally meet", "MEDIUM"),
        ("Make a comic", "IMAGE_GEN"),
        ("Design an album cover", "IMAGE_GEN"),
        ("Make me a profile picture", "IMAGE_GEN"),
        ("I want to draw better, any advice for a beginner?", "MEDIUM"),
        ("Can I have a photo of a fox?", "IMAGE_GEN"),
        ("Make a video tutorial", "VIDEO_GEN"),
        # errands
        ("Summarize https://example.com/article", "AGENTIC"),
        ("Visit example.com and read the prices to me", "AGENTIC"),
        ("Text Mia that dinner is ready", "AGENTIC"),
        ("Email templates for a dentist", "MEDIUM"),
        ("Remind me what photosynthesis is", "SIMPLE"),
        ("Could you book a flight, and then email my boss about it?", "AGENTIC"),
        ("Schedule my Python function to run hourly with cron", "CODING"),
        # languages
        ("What's the Finnish word for snow?", "MULTILINGUAL"),
        ("How do you say cheers in Polish?", "MULTILINGUAL"),
        ("I need this letter translated into Greek", "MULTILINGUAL"),
        ("Please correct my German", "MULTILINGUAL"),
        ("Translate the requirements into units of work", "MEDIUM"),
        ("Is the translation of the Odyssey by Wilson any good?", "SIMPLE"),
        ("Who was the first novelist to write in Hungarian?", "MULTILINGUAL"),
        ("Dinner menus in Spanish for our guests this Saturday night", "MULTILINGUAL"),
        ("Let's go on in Danish", "MULTILINGUAL"),
        # code
        ("What does `yield` do?", "CODING"),
        ("Why is my useEffect running twice?", "CODING"),
        ("Who is the creator of Python?", "SIMPLE"),
        # logic
        ("Try to solve 3x + 4 = 10", "REASONING"),
        ("Go ahead and prove that 2 is prime", "REASONING"),
        # plain
        ("help me", "SIMPLE"),
        ("name a green vegetable", "SIMPLE"),
        ("Can we meet aliens one day, and would they like us?", "SIMPLE"),
        ("make it shorter", "SIMPLE"),
        ("Please shorten", "SIMPLE"),
        ("My cat is sad since we moved. Any thoughts?", "MEDIUM"),
    ],
)
def test_forms(text: str, category: str) -> None:
    result = classify_local({"messages": [{"role": "user", "content": text}]})
    assert result.category == category, result.reasoning


def test_words_that_nobody_knows_make_unsure() -> None:
    text = "Lorem ipsum dolor sit amet " * 200
    assert classify_local({"messages": [{"role": "user", "content": text}]}).unsure


@pytest.mark.parametrize(
    "text",
    [
        "Why does this raise a KeyError?",
        "why do i get a nullpointerexception",
        "Debug this",
        "Please refactor it",
        "Fix this code",
        "Could you explain the code below?",
        "review my code",
    ],
)
def test_short_requests_about_code(text: str) -> None:
    result = classify_local({"messages": [{"role": "user", "content": text}]})
    assert result.category == "CODING"
    assert result.confidence > 0.9


@pytest.mark.parametrize(
    "text",
    [
        "The reign of terror, in short",
        "Is that an error or an exception?",
        "Explain the dress code",
        "write about the penal code",
        "How do I crack the code of good writing?",
    ],
)
def test_words_that_only_sound_like_code(text: str) -> None:
    result = classify_local({"messages": [{"role": "user", "content": text}]})
    assert "error of a program" not in result.reasoning
    assert "orders work on code" not in result.reasoning


@pytest.mark.parametrize(
    "text",
    [
        "a picture of health is what my doctor called me",
        "Can I book a flight with an expired passport?",
    ],
)
def test_what_sounds_like_another_category_is_not_said_surely(text: str) -> None:
    """The first is no picture; the second asks what is allowed, in an errand's words."""
    result = classify_local({"messages": [{"role": "user", "content": text}]})
    assert result.category != "IMAGE_GEN"
    assert result.confidence < 0.85
