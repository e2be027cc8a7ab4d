"""What would spoil a run, found before it: the data looked through without any weights.

    expecting      where answers stand in a conversation, told from its text alone
    writing        what each token writes; aligning lays tokens along the text
    labels         a sequence against that: slots, text, labels, weights
    saying         what is said, before it is made into tokens
    opening        pictures behind their headers; duplicates finds those that look alike
    walking        every sample of a mixture, with what is wrong and how to mend it
    memory         what training will take of a device
    showing        all of it for a person

`look_through(mixture, processor, root)` finds; `look_before(mixture, processor, root)` is the short
form that a run calls, from headers alone.
"""
