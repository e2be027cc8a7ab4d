"""How it is asked what is set in a window, by topic; `{name}` is what is written on the thing."""

from collections.abc import Mapping

from triptych.data.worlds.wording import Phrases

STATE_PHRASES: Mapping[str, Phrases] = {
    "state checkbox": Phrases(
        seen=(
            "Is '{name}' ticked?",
            "Is the box {name} checked?",
            "Is {name} on?",
            "Is {name} turned on?",
            "Does the checkbox '{name}' have a tick?",
            "Is the option {name} enabled?",
            "Has '{name}' been ticked?",
            "Is {name} selected?",
            "Is there a tick beside '{name}'?",
            "Is {name} switched on?",
        ),
        unseen=(
            "Did someone tick '{name}'?",
            "Can you see a check mark at {name}?",
            "Is {name} active?",
        ),
    ),
    "state greyed": Phrases(
        seen=(
            "Is {name} greyed out?",
            "Is the button {name} disabled?",
            "Is the {name} button grey?",
            "Is '{name}' inactive?",
            "Is the button '{name}' unavailable?",
            "Is {name} dimmed?",
            "Is it impossible to press {name}?",
            "Is the {name} button switched off?",
            "Has '{name}' been disabled?",
            "Is {name} blocked?",
        ),
        unseen=(
            "Does the {name} button look faded?",
            "Is pressing '{name}' out of the question?",
            "Is {name} locked?",
        ),
    ),
    "state usable": Phrases(
        seen=(
            "Can {name} be pressed?",
            "Is the button {name} enabled?",
            "Can I click '{name}'?",
            "Is {name} available?",
            "Does the {name} button work?",
            "Is the {name} button usable?",
            "Am I able to press {name}?",
            "Is it possible to click {name}?",
            "Can I {lower} now?",
            "Is '{name}' ready to be pressed?",
        ),
        unseen=(
            "Would a click on {name} do anything?",
            "Is {name} live?",
            "Does the window let me {lower}?",
        ),
    ),
    "state field": Phrases(
        seen=(
            "What is in the field {name}?",
            "What does the field '{name}' say?",
            "What is entered under {name}?",
            "Read the field {name}.",
            "What text is in {name}?",
            "What has been typed into '{name}'?",
            "Which value has the field {name}?",
            "What is written beside {name}?",
            "{name}: what is filled in?",
            "Tell me the content of the field '{name}'.",
        ),
        unseen=(
            "What did the user enter for {name}?",
            "Copy out what stands in '{name}'.",
            "What is the current input of {name}?",
        ),
    ),
    "state radio": Phrases(
        seen=(
            "Which option is chosen for {name}?",
            "What is selected for {name}?",
            "Which {name} is chosen?",
            "Which radio button of '{name}' is on?",
            "What is {name} set to?",
            "Which choice is made under {name}?",
            "{name}: which one is marked?",
            "Which of the options of {name} is active?",
            "What has been picked for '{name}'?",
            "Tell me the chosen {name}.",
        ),
        unseen=(
            "Where does the dot of {name} sit?",
            "What did the user decide on for '{name}'?",
            "Which alternative of {name} is filled in?",
        ),
    ),
    "state dropdown": Phrases(
        seen=(
            "What is selected in the list {name}?",
            "Which {name} is selected?",
            "What does the dropdown {name} show?",
            "What is the value of '{name}'?",
            "What is {name} set to?",
            "Which entry is chosen under {name}?",
            "Read the dropdown '{name}'.",
            "{name}: what is selected?",
            "What stands in the selector {name}?",
            "Tell me the selected {name}.",
        ),
        unseen=(
            "What has the user picked from the {name} menu?",
            "Which item of '{name}' is showing?",
            "What is the current {name}?",
        ),
    ),
    "state slider": Phrases(
        seen=(
            "How high is {name}?",
            "What is the slider {name} set to?",
            "What number does {name} show?",
            "Where does the slider '{name}' stand?",
            "What is the value of {name}?",
            "How much is {name}?",
            "At how many percent is {name}?",
            "Read the slider {name}.",
            "What is the level of '{name}'?",
            "Which value has {name}?",
        ),
        unseen=(
            "How far up is {name} turned?",
            "Give the setting of the '{name}' control as a number.",
            "To what has {name} been moved?",
        ),
    ),
    "state tabs": Phrases(
        seen=(
            "Which tab is open?",
            "What tab is selected?",
            "Which tab is active?",
            "Name the open tab.",
            "Which page of the window is shown?",
            "What is the current tab?",
            "Which of the tabs is in front?",
            "Which tab am I on?",
            "Tell me the selected tab.",
            "Which tab is being shown?",
        ),
        unseen=(
            "On what tab is the user right now?",
            "Which tab is highlighted?",
            "What section of the window are we looking at?",
        ),
    ),
}
"""By topic: `state` and the kind of widget, or which way a button is asked about."""
