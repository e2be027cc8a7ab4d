"""How systems are published, and how that becomes ours: settings, weights by name, chat, pictures.

    families    each published system, both ways
    family, scorer_family
                what a family must say, for models that answer and for models that compare
    settings, tensors, chat, text, pictures, vision, language, opt, card
                what families have in common

Nothing here opens a file: `triptych.checkpoint` reads and writes, and asks here what it means.
"""
