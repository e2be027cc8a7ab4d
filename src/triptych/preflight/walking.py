"""Every sample of a mixture, looked at before the run, without weights.

    files      what readers leave out, faults, lengths, labels; pictures by their headers, or opened
    drawings   the first samples of each world, whose labels are held against their questions

A run passes over unusable samples up to what its source tolerates, so one alone does not spoil it;
more than that, or a single wrong label, does.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from triptych.data.conversations import FAULTS
from triptych.data.drawn import DrawnShapes, DrawnWorld
from triptych.data.fitting import CUT, Fitting
from triptych.data.mixture import MixtureConfig, Share
from triptych.data.sources import Conversation, DataSource
from triptych.errors import ConfigError, DataError, MediaError, TokenError, TriptychError
from triptych.preflight.findings import Finding, cure_of, split_sentence
from triptych.preflight.labels import TEMPLATE, LabelCheck, batch_findings
from triptych.preflight.looked import Looked, LookedSource
from triptych.preflight.opening import OpenedPictures
from triptych.preflight.overhearing import OverhearingProcessor
from triptych.preflight.saying import said_findings
from triptych.processor import Message, Processor, Sample

UNREADABLE, UNFIT, PLACE = "picture cannot be used", "does not fit the model", "cannot be read"
MANY, MANY_CUT, UNUSABLE = "too many unusable", "too many ends cut off", "source cannot be read"

BATCH = 8
"""Samples of each source that are made into a batch, too."""


def look_before(
    mixture: MixtureConfig,
    processor: Processor,
    root: Path = Path(),
    *,
    say: Callable[[str], None],
    num_samples: int = 256,
) -> Looked:
    """What a run does before it begins: some samples of each source, pictures by their headers.

    Raises:
        DataError: the run would be spoilt; the message has the first findings and their cures.
    """
    looked = look_through(mixture, processor, root, num_samples=num_samples)
    say(f"looked through {looked.num_looked:,} samples in {looked.seconds:.1f} s")
    bad = [each for each in looked.findings if each.spoils]
    if bad:
        listed = "\n".join(f"  {each.sample_id}: {each.what}; {each.fix}" for each in bad[:5])
        raise DataError(
            f"{len(bad)} findings would spoil the run; mend them, `triptych check` shows all:\n"
            + listed
        )
    return looked


def look_through(
    mixture: MixtureConfig,
    processor: Processor,
    root: Path = Path(),
    *,
    held_out: MixtureConfig | None = None,
    opens: bool = False,
    num_samples: int = 0,
    num_drawn: int = 64,
) -> Looked:
    """Look at the samples of a mixture.

    Args:
        mixture: What is trained on.
        processor: Of the model that is trained; its weights are not needed.
        root: What paths of sources are relative to.
        held_out: What is validated on, whose pictures should be others.
        opens: Whether every picture is opened, which finds damage behind its header and pictures
            that look alike; else their headers are read.
        num_samples: Samples of each source, spread over it; 0 for all.
        num_drawn: Samples of each drawn source.
    """
    started = time.monotonic()
    walk = _Walk(OverhearingProcessor.of(processor), root, opens, num_samples, num_drawn)
    for share in mixture.shares:
        walk.look_at(share)
    if held_out is not None and opens:
        walk.look_at_pictures(held_out)
    walk.looked.findings += walk.pictures.findings()
    walk.looked.seconds = time.monotonic() - started
    return walk.looked


class _Walk:
    """One look through a mixture."""

    def __init__(
        self,
        processor: OverhearingProcessor,
        root: Path,
        opens: bool,
        num_samples: int,
        num_drawn: int,
    ) -> None:
        self.processor = processor
        self.root = root
        self.opens = opens
        self.num_samples, self.num_drawn = num_samples, num_drawn
        self.check = LabelCheck(processor)
        self.looked = Looked()
        self.pictures = OpenedPictures(processor)

    def look_at(self, share: Share) -> None:
        """Look at one source."""
        source = LookedSource(_name(share.source))
        self.looked.sources.append(source)
        try:
            if isinstance(share.source, DrawnWorld | DrawnShapes):
                self._drawn(share.source, source)
            else:
                self._stored(share, share.source, source)
        except TriptychError as error:
            self._find(UNUSABLE, source.name, error)
        except OSError as error:
            what = f"{error.filename or source.name}: {error.strerror or error}"
            self.looked.findings.append(
                Finding(UNUSABLE, source.name, what, "mend the recipe's paths, or --data")
            )

    def look_at_pictures(self, mixture: MixtureConfig) -> None:
        """Open the pictures of what is held out; its samples are not looked at."""
        for share in mixture.shares:
            if isinstance(share.source, DrawnWorld | DrawnShapes):
                continue
            self.pictures.begin_held_out()
            try:
                conversations, _ = _lenient(share.source).read(self.root)
                for index in range(len(conversations)):
                    self.pictures.open(conversations[index])
            except (TriptychError, OSError) as error:
                self._find(UNUSABLE, _name(share.source), error)

    # -- drawings -----------------------------------------------------------------------------

    def _drawn(self, drawn: DrawnWorld | DrawnShapes, source: LookedSource) -> None:
        samples = drawn.build(self.processor)
        source.num_samples = len(samples)
        batch: list[Sample] = []
        for index in range(min(self.num_drawn, len(samples))):
            sample = samples.sample(index, torch.Generator().manual_seed(index))
            self._note(sample, list(self.processor.heard), source)
            batch.append(sample)
        self._batch(batch[:BATCH])

    # -- files --------------------------------------------------------------------------------

    def _stored(self, share: Share, data: DataSource, source: LookedSource) -> None:
        conversations, ledger = _lenient(data).read(self.root)
        for entry in ledger.left_out:
            what, fix = entry.detail or entry.reason, cure_of(entry.reason)
            self.looked.findings.append(
                Finding(entry.reason, entry.sample_id, what, fix, spoils=False)
            )
        source.num_samples = len(conversations) + len(ledger.left_out)
        source.num_unusable = source.num_looked = len(ledger.left_out)
        fitting = Fitting(self.processor, share.min_pixels, share.max_pixels)
        batch: list[Sample] = []
        for index in _spread(len(conversations), self.num_samples):
            try:
                conversation = conversations[index]
            except DataError as error:
                self._unusable(PLACE, f"{source.name}[{index}]", error, source)
                continue
            sample = self._plan(fitting, conversation, share, source)
            if sample is not None and len(batch) < BATCH:
                batch.append(sample)
        self._batch(batch)
        self._judge(source, data.tolerate, len(ledger.left_out))

    def _plan(
        self, fitting: Fitting, conversation: Conversation, share: Share, source: LookedSource
    ) -> Sample | None:
        """The sample of a conversation, after a look at it."""
        name = conversation.sample_id
        try:
            self.looked.findings += said_findings(conversation, self.processor.template)
            fitted = fitting.plan(conversation)
            if self.opens:
                self.pictures.open(conversation)
        except ConfigError as error:
            self._find(UNFIT, name, error)
            return None
        except FAULTS as error:
            self._unusable(self._kind(error, conversation), name, error, source)
            return None
        images = fitted.sample.images
        sizes = [(each.original_height or 1, each.original_width or 1) for each in images]
        if share.rules.excludes(conversation, sizes, len(fitted.sample.token_ids)):
            source.num_filtered += 1
            return None
        for change in fitted.changes:
            source.num_cut += change.reason == CUT
            self.looked.findings.append(
                Finding(
                    change.reason,
                    name,
                    f"more than {self.processor.config.max_tokens} tokens: {change.detail}",
                    "raise max_tokens, shorten the sample, or keep it so",
                    spoils=False,
                )
            )
        self._note(fitted.sample, list(self.processor.heard), source)
        return fitted.sample

    def _kind(self, error: Exception, conversation: Conversation) -> str:
        if isinstance(error, MediaError):
            return UNREADABLE
        if isinstance(error, DataError):
            return PLACE
        try:
            for messages in (conversation.messages, *conversation.others):
                self.processor.template.render(messages, spell=lambda _: ())
        except TokenError:
            return TEMPLATE
        return UNFIT

    # -- notes --------------------------------------------------------------------------------

    def _note(
        self, sample: Sample, conversations: Sequence[Sequence[Message]], source: LookedSource
    ) -> None:
        looked, found = self.looked, self.check.findings(sample, conversations)
        is_first_fault = bool(found) and not any(each.spoils for each in looked.findings)
        if looked.example is None or is_first_fault:
            looked.example = sample
        looked.findings += found
        looked.lengths.append(len(sample.token_ids))
        looked.num_labels.append(sum(label >= 0 for label in sample.labels))
        looked.visual_tokens += [span.num_slots for span in sample.spans]
        looked.image_sizes += [(image.height, image.width) for image in sample.images]
        source.num_looked += 1

    def _batch(self, samples: Sequence[Sample]) -> None:
        if samples:
            self.looked.findings += batch_findings(self.processor.collate(samples))

    def _unusable(self, kind: str, sample_id: str, error: Exception, source: LookedSource) -> None:
        source.num_unusable += 1
        source.num_looked += 1
        self._find(kind, sample_id, error, spoils=False)

    def _find(self, kind: str, name: str, error: Exception, *, spoils: bool = True) -> None:
        what, fix = split_sentence(str(error))
        self.looked.findings.append(Finding(kind, name, what, fix, spoils))

    def _judge(self, source: LookedSource, tolerate: float, num_left_out: int) -> None:
        """Whether a source has more faults than it tolerates, by those that were looked at."""
        seen = max(1, source.num_looked - num_left_out)
        scale = (source.num_samples - num_left_out) / seen
        unusable = num_left_out + (source.num_unusable - num_left_out) * scale
        faults = {
            MANY: (unusable, "cannot be used"),
            MANY_CUT: (source.num_cut * scale, "lose the end of their text"),
        }
        for kind, (count, what) in faults.items():
            if count / max(1, source.num_samples) > tolerate:
                self.looked.findings.append(
                    Finding(
                        kind,
                        source.name,
                        f"{count:,.0f} of {source.num_samples:,} samples {what}, more than the "
                        f"tolerated {tolerate:.2%}",
                        "mend them, or raise `tolerate` to go on as it is",
                    )
                )


def _lenient(source: DataSource) -> DataSource:
    """The source reading on, however many samples are bad."""
    return replace(source, tolerate=1.0)


def _spread(count: int, wanted: int) -> Iterator[int]:
    """Numbers of the samples that are looked at: all, or `wanted` at equal distances."""
    if not wanted or wanted >= count:
        yield from range(count)
        return
    for number in range(wanted):
        yield number * count // wanted


def _name(source: object) -> str:
    fields = ("path", "questions", "refs", "folder", "shards", "world", "content")
    where = next((getattr(source, name) for name in fields if getattr(source, name, "")), "")
    return f"{type(source).__name__} {where}".rstrip()
