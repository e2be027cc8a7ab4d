"""How questions about windows are worded, by topic; `{name}` is what is written on the thing."""

from collections.abc import Mapping

from triptych.data.worlds import more_ways
from triptych.data.worlds.screens.state_wording import STATE_PHRASES
from triptych.data.worlds.wording import Phrases, with_more

_CLICK: Mapping[str, Phrases] = {
    "click button": Phrases(
        seen=(
            "Click {name}.",
            "click the {name} button",
            "Press '{name}'.",
            "Where do I press to {lower}?",
            "I want to {lower}. Where do I click?",
            "Point at the button {name}.",
            "Show me the {name} button.",
            "Where is the button labelled '{name}'?",
            "tap {name}",
            "Which place do I click to {lower}?",
            "Hit the {name} button.",
        ),
        unseen=(
            "Push the button that says {name}.",
            "How do I {lower} here? Point.",
            "Give me the spot of '{name}'.",
            "Move the mouse to the {name} button.",
        ),
    ),
    "click checkbox": Phrases(
        seen=(
            "Tick '{name}'.",
            "Click the checkbox {name}.",
            "Where is the box '{name}'?",
            "Point at the checkbox labelled {name}.",
            "Where do I click to switch '{name}'?",
            "Show me the box for {name}.",
            "Press the checkbox '{name}'.",
            "I want to change '{name}'. Where do I click?",
            "check {name}",
            "Where can I set '{name}'?",
        ),
        unseen=(
            "Where would I put or take away the tick of '{name}'?",
            "Flip the box named {name}.",
            "Mark the place of the option '{name}'.",
        ),
    ),
    "click field": Phrases(
        seen=(
            "Click into the field {name}.",
            "Where do I enter the {name}?",
            "Point at the text field {name}.",
            "Where is the field '{name}'?",
            "Put the cursor into {name}.",
            "Show me where '{name}' is typed in.",
            "Select the field {name}.",
            "click the {name} box",
            "Where do I write what belongs under '{name}'?",
            "Press the input {name}.",
        ),
        unseen=(
            "I need to fill in {name}. Where is that?",
            "Place the caret in the '{name}' entry.",
            "Which spot takes the {name}?",
        ),
    ),
    "click radio": Phrases(
        seen=(
            "Choose {name}.",
            "Click the option {name}.",
            "Point at the radio button '{name}'.",
            "Where do I click to choose {name}?",
            "Select '{name}'.",
            "Where is the choice {name}?",
            "Pick {name}.",
            "Show me the option '{name}'.",
            "I want {name}. Where do I press?",
            "Press the radio button {name}.",
        ),
        unseen=(
            "Go for {name}. Where is it?",
            "Set the choice to '{name}': which place?",
            "Mark the round button of {name}.",
        ),
    ),
    "click dropdown": Phrases(
        seen=(
            "Open the list {name}.",
            "Click the dropdown {name}.",
            "Where do I change the {name}?",
            "Point at the dropdown '{name}'.",
            "Unfold the menu {name}.",
            "Where is the list labelled {name}?",
            "Show me the selector for '{name}'.",
            "Press the {name} dropdown.",
            "I want another {name}. Where do I click?",
            "Where can I pick the {name}?",
        ),
        unseen=(
            "Drop down the choices of {name}.",
            "Which place lists the values of '{name}'?",
            "Expand {name}.",
        ),
    ),
    "click tabs": Phrases(
        seen=(
            "Open the tab {name}.",
            "Click the {name} tab.",
            "Switch to {name}.",
            "Where is the tab '{name}'?",
            "Point at the tab {name}.",
            "Go to the {name} page of this window.",
            "Show me the tab labelled {name}.",
            "Where do I press to see {name}?",
            "Press the tab '{name}'.",
            "Bring {name} to the front.",
        ),
        unseen=(
            "I'd like to look at the {name} section. Where?",
            "Change over to the '{name}' tab.",
            "Flip to {name}.",
        ),
    ),
}

_OTHER: Mapping[str, Phrases] = {
    "existence": Phrases(
        seen=(
            "Is there a {what} {name}?",
            "Does the window have a {what} {name}?",
            "Is there a {what} called '{name}'?",
            "Can you see a {what} labelled {name}?",
            "Does this window offer a {what} '{name}'?",
            "Is a {what} named {name} shown?",
            "Do you find a {what} {name} here?",
            "Is any {what} labelled '{name}'?",
            "Has this window got a {what} {name}?",
            "Does a {what} with the name {name} exist?",
        ),
        unseen=(
            "Would I find a {what} that says {name}?",
            "Is {name} one of the things here, as a {what}?",
            "Was a {what} '{name}' put on this window?",
        ),
    ),
    "read_title": Phrases(
        seen=(
            "What is the title of the window?",
            "Read the title.",
            "What does the title bar say?",
            "What is the window called?",
            "Which title does this window have?",
            "What is written at the top of the window?",
            "Tell me the window's title.",
            "What is the name of this window?",
            "Read out the title bar.",
            "Which window is this?",
        ),
        unseen=(
            "How is this dialogue titled?",
            "Copy the text of the title bar.",
            "What heading does the window carry?",
        ),
    ),
}

_ACTION: Mapping[str, Phrases] = {
    "action press": Phrases(
        seen=(
            "Goal: {lower}. What is the next action?",
            "Next action to {lower}?",
            "Action: press {name}.",
            "Give the action that clicks '{name}'.",
            "Task: {lower}. Act.",
            "Call the tool that presses {name}.",
            "As a tool call: click {name}.",
            "Goal: press {name}. Next step?",
            "The user wants to {lower}. Which action comes next?",
            "What action would {lower}?",
        ),
        unseen=(
            "Aim: {lower}. Reply with one tool call.",
            "Write the call for pressing '{name}'.",
            "Please {lower} by a tool call.",
        ),
    ),
    "action type": Phrases(
        seen=(
            "Type '{text}' into the field {name}.",
            "Action: enter '{text}' under {name}.",
            "Goal: {name} is '{text}'. What is the next action?",
            "Fill '{text}' into {name}.",
            "Next action to write '{text}' in {name}?",
            "As a tool call: type '{text}' into {name}.",
            "Task: put '{text}' into the field '{name}'. Act.",
            "Set the field {name} to '{text}'.",
            "The user wants '{text}' as {name}. Which action comes next?",
            "Give the action that enters '{text}' for {name}.",
        ),
        unseen=(
            "Key in '{text}' at {name}.",
            "Aim: the field {name} reads '{text}'. Reply with one tool call.",
            "Make {name} say '{text}' by a tool call.",
        ),
    ),
    "action toggle": Phrases(
        seen=(
            "Turn {way} '{name}'.",
            "Action: turn {way} {name}.",
            "Goal: {name} is {way}. What is the next action?",
            "Switch {way} '{name}'.",
            "Next action to get {name} {way}?",
            "As a tool call: switch {name} {way}.",
            "Task: {name} must be {way}. Act.",
            "Set '{name}' to {way}.",
            "The user wants {name} {way}. Which action comes next?",
            "Give the action that turns {name} {way}.",
        ),
        unseen=(
            "Aim: '{name}' {way}. Reply with one tool call.",
            "Have {name} {way}, please: which call?",
            "Write the call that puts {name} {way}.",
        ),
    ),
    "action ensure": Phrases(
        seen=(
            "Goal: {lower} with '{other}' {way}. What is the next action?",
            "{name} with {other} {way}. Next action?",
            "Make sure {other} is {way}, then press {name}. Next action?",
            "Task: {lower}, but '{other}' must be {way}. Which action comes next?",
            "Before pressing {name}, {other} has to be {way}. Next step?",
            "The user wants to {lower} with {other} {way}. Act.",
            "Goal: {other} is {way} and {name} is pressed. Next action?",
            "Press {name} once '{other}' is {way}. What now?",
            "First {other} {way}, then {name}. What is the next action?",
            "To {lower} with {other} {way}, what is to be done next?",
        ),
        unseen=(
            "Aim: {lower}, having '{other}' {way}. Reply with the one next call.",
            "See that {other} is {way}; after that {lower}. Which call is due?",
            "Only {lower} when {other} is {way}. Your move?",
        ),
    ),
    "action fill": Phrases(
        seen=(
            "Goal: {lower} with '{text}' as {other}. What is the next action?",
            "{name} with {other} '{text}'. Next action?",
            "Make sure {other} is '{text}', then press {name}. Next action?",
            "Task: {lower}, but {other} must be '{text}'. Which action comes next?",
            "Before pressing {name}, {other} has to be '{text}'. Next step?",
            "The user wants to {lower} with {other} '{text}'. Act.",
            "Goal: {other} says '{text}' and {name} is pressed. Next action?",
            "Press {name} once {other} is '{text}'. What now?",
            "First '{text}' in {other}, then {name}. What is the next action?",
            "To {lower} with '{text}' in {other}, what is to be done next?",
        ),
        unseen=(
            "Aim: {lower}, having '{text}' for {other}. Reply with the one next call.",
            "See that {other} reads '{text}'; after that {lower}. Which call is due?",
            "Only {lower} when {other} says '{text}'. Your move?",
        ),
    ),
}

PHRASES: Mapping[str, Phrases] = with_more(
    {**_CLICK, **STATE_PHRASES, **_OTHER, **_ACTION}, more_ways.SCREENS
)
"""By topic: the kind of question and what it is about."""
