"""What would spoil a run, found before it: the data looked through without any weights.

    expecting      where answers stand in a conversation, told from its text alone
    labels         a sequence against that: slots, text, labels, weights
    walking        every sample of a mixture, with what is wrong and how to mend it
    duplicates     pictures that look alike
    memory         what training will take of a device
    showing        all of it for a person

`look_through(mixture, processor, root)` finds; `look_before(mixture, processor, root)` is the short
form that a run calls, from headers alone.
"""
