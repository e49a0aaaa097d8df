"""What becomes of medicines: ordered, filled, picked up or returned, refilled early, late or never, renewed, changed, given up.

Each function is a step of a life, which says what happened and plans what follows. A course is one prescription as it goes; a
chronic medicine is a row of them, at one store each. Shares are guesses of the order that pharmacies report, chosen so that every
path is walked; nothing is to be learnt from them. Raises nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from hl7bridge.testing.synthetic.clock import DAY, HOUR, MINUTE
from hl7bridge.testing.synthetic.events import Fill, Kind, Prescription, Why
from hl7bridge.testing.synthetic.medicines import ACUTE, CHRONIC, Product, alternatives
from hl7bridge.testing.synthetic.population import CLINICIANS

if TYPE_CHECKING:
    from hl7bridge.testing.synthetic.life import Life

#: Chronic medicines that a person takes, by chance.
_HOW_MANY: Final = (0, 1, 1, 1, 2, 2, 3, 3, 4)
_PART, _RETURNED_AFTER_SALE, _REPLACED, _CANCELLED = 0.03, 0.005, 0.02, 0.015


class Course:
    """One prescription as it goes. `fills` are those made, returned ones too; `ended` when nothing more is to come of it."""

    __slots__ = ("chronic", "ended", "fills", "prescription", "refills_left")

    def __init__(self, prescription: Prescription, chronic: bool) -> None:
        self.prescription = prescription
        self.chronic = chronic
        self.fills = 0
        self.refills_left = prescription.refills
        self.ended = False


def begin(life: Life, at: int) -> None:
    """Plans the orders with which a run begins: spread over its first six weeks."""
    chance = life.random
    since = max(at, life.person.joined_at)
    for product in chance.sample(CHRONIC, chance.choice(_HOW_MANY)):
        life.plan(_open_hours(life, since + chance.randrange(42) * DAY + DAY), order_chronic, product)
    life.plan(_some_day(life, since, 300), order_acute)
    life.plan(_some_day(life, since, 900), begin_another)


def _some_day(life: Life, at: int, mean: int) -> int:
    """A day of which nobody knows when it comes, `mean` days from now on average."""
    return _open_hours(life, at + int(life.random.expovariate(1 / mean) * DAY) + DAY)


def _when_open(life: Life, at: int) -> int:
    """That moment, or the next morning."""
    if 8 * HOUR <= at % DAY < 21 * HOUR:
        return at
    return (at + 3 * HOUR) // DAY * DAY + life.random.randrange(8 * HOUR, 11 * HOUR)


def _open_hours(life: Life, at: int) -> int:
    """Some time of that day at which stores are open."""
    return at // DAY * DAY + life.random.randrange(8 * HOUR, 21 * HOUR)


def away(life: Life, at: int) -> int:
    """When a person who is in hospital may do at the earliest what was planned for `at`; 0 for one who is not there."""
    if life.stay is None or life.stay.discharged_at <= at:
        return 0
    return _open_hours(life, life.stay.discharged_at + DAY)


# -- orders


def prescribe(
    life: Life,
    at: int,
    product: Product,
    *,
    refills: int,
    discharge: bool = False,
    replaces: Course | None = None,
) -> Course:
    """Writes a prescription and makes it the person's; nothing is said yet."""
    random, who = life.random, life.person
    if replaces is not None:
        store = replaces.prescription.store
    else:
        store = who.second_store if random.random() < 0.4 else who.store
    number = life.number()
    prescription = Prescription(
        number=b"%d" % (10_000_000 + number),
        placer=b"ERX-%d" % (60_000_000 + number),
        store=store,
        product=product,
        days_supply=random.choice(product.days),
        refills=refills,
        prescriber=random.choice(CLINICIANS),
        ordered_at=at,
        discharge=discharge,
        replaces=None if replaces is None else replaces.prescription,
    )
    course = Course(prescription, chronic=refills > 0)
    life.active.append(course)
    return course


def _refills(life: Life) -> int:
    return life.random.choice((3, 3, 5, 11, 11, 2))


def order_chronic(life: Life, at: int, product: Product) -> None:
    """A medicine that is to be taken for years."""
    if later := away(life, at):
        life.plan(later, order_chronic, product)
        return
    course = prescribe(life, at, product, refills=_refills(life))
    life.happened(Kind.ORDERED, at, course.prescription)
    _after_order(life, at, course)


def order_acute(life: Life, at: int, _: Any) -> None:
    """A medicine for days; the next one some day."""
    random = life.random
    life.plan(_some_day(life, at + 7 * DAY, 300), order_acute)
    if not away(life, at):
        course = prescribe(life, at, random.choice(ACUTE), refills=0)
        life.happened(Kind.ORDERED, at, course.prescription)
        _after_order(life, at, course)


def begin_another(life: Life, at: int, _: Any) -> None:
    """A chronic medicine more; the next one some day."""
    life.plan(_some_day(life, at, 900), begin_another)
    product = life.random.choice(CHRONIC)
    if all(each.prescription.product is not product for each in life.active):
        order_chronic(life, at, product)


def order_after_stay(life: Life, at: int, course: Course) -> None:
    """The hospital's prescription for the time after the stay reaches the pharmacy."""
    life.happened(Kind.ORDERED, at, course.prescription)
    _after_order(life, at, course)


def _after_order(life: Life, at: int, course: Course) -> None:
    random, roll = life.random, life.random.random()
    if roll < _CANCELLED:
        life.plan(at + random.randrange(5 * MINUTE, 2 * DAY), cancel, course)
    elif roll < _CANCELLED + _REPLACED:
        life.plan(at + random.randrange(10 * MINUTE, 20 * DAY), replace, course)
        life.plan(_when_open(life, at + random.randrange(HOUR, DAY)), fill, course)
    elif roll < 0.97:
        waits = random.choice((random.randrange(20 * MINUTE, 5 * HOUR), random.randrange(HOUR, 3 * DAY)))
        life.plan(_when_open(life, at + waits), fill, course)
    else:
        _end(life, course)  # never filled, and nobody says so


def cancel(life: Life, at: int, course: Course) -> None:
    """Before anything was filled, the prescriber takes it back."""
    if not course.fills:
        life.happened(Kind.CANCELLED, at, course.prescription)
        _end(life, course)


def replace(life: Life, at: int, course: Course) -> None:
    """Another strength or another medicine of the class, instead of what was ordered."""
    if course.ended:
        return
    life.happened(Kind.DISCONTINUED, at, course.prescription)
    _end(life, course)
    product = life.random.choice([*alternatives(course.prescription.product), course.prescription.product])
    new = prescribe(life, at, product, refills=course.prescription.refills, replaces=course)
    life.plan(at + 1, order_replacement, new)


def order_replacement(life: Life, at: int, course: Course) -> None:
    """The prescription that stands in the place of the discontinued one."""
    life.happened(Kind.REPLACED, at, course.prescription)
    life.plan(_when_open(life, at + life.random.randrange(HOUR, 2 * DAY)), fill, course)


def discontinue(life: Life, at: int, course: Course) -> None:
    """Nothing more is to be filled."""
    if not course.ended:
        life.happened(Kind.DISCONTINUED, at, course.prescription)
        _end(life, course)


def _end(life: Life, course: Course) -> None:
    course.ended = True
    if course in life.active:
        life.active.remove(course)


# -- fills


def fill(life: Life, at: int, course: Course) -> None:
    """The pharmacy makes it ready: all of it, or what it has."""
    if course.ended:
        return
    if later := away(life, at):
        life.plan(later, fill, course)
        return
    random, prescription = life.random, course.prescription
    if course.fills:
        course.refills_left -= 1
    course.fills += 1
    days = prescription.days_supply
    if random.random() < _PART and days > 3:
        first = max(1, days // random.choice((2, 3, 6)))
        part = b"P" if course.fills == 1 else b"Q"
        some = Fill(course.fills, first, first * prescription.product.daily, course.refills_left, at, part)
        life.happened(Kind.PART_FILLED, at, prescription, some)
        _ready(life, at, course, some, whole=False)
        life.plan(_when_open(life, at + random.randrange(DAY, 4 * DAY)), complete, (course, some))
        return
    whole = Fill(course.fills, days, prescription.quantity, course.refills_left, at)
    life.happened(Kind.FILLED, at, prescription, whole)
    _ready(life, at, course, whole, whole=True)


def complete(life: Life, at: int, subject: tuple[Course, Fill]) -> None:
    """The rest of a fill, on another day than its first part."""
    course, some = subject
    if course.ended:
        return
    days = course.prescription.days_supply - some.days_supply
    rest = some._replace(days_supply=days, quantity=days * course.prescription.product.daily, filled_at=at)
    life.happened(Kind.COMPLETED, at, course.prescription, rest)
    _ready(life, at, course, rest, whole=True)


def _ready(life: Life, at: int, course: Course, fill: Fill, *, whole: bool) -> None:
    """Picked up soon, late, or never: then it goes back after about a fortnight. `whole`: the course goes on from here."""
    random = life.random
    back = at + random.randrange(13 * DAY, 16 * DAY)
    roll = random.random() ** (1.5 - life.punctual)
    if roll < 0.12:
        life.plan(_open_hours(life, back), give_back, (course, fill, whole))
        return
    if roll > 0.6:
        taken = _when_open(life, at + random.randrange(5 * MINUTE, 6 * HOUR))
    elif roll > 0.25:
        taken = _open_hours(life, at + random.randrange(DAY, 4 * DAY))
    else:
        taken = _open_hours(life, at + random.randrange(4 * DAY, 12 * DAY))
    life.plan(taken, pick_up, (course, fill, whole, _open_hours(life, back)))


def pick_up(life: Life, at: int, subject: tuple[Course, Fill, bool, int]) -> None:
    """Sold. Who was in hospital meanwhile comes too late."""
    course, fill_, whole, back = subject
    if later := away(life, at):
        if later < back:
            life.plan(later, pick_up, subject)
        else:
            life.plan(back, give_back, (course, fill_, whole))
        return
    life.happened(Kind.SOLD, at, course.prescription, fill_)
    random = life.random
    if random.random() < _RETURNED_AFTER_SALE:
        life.plan(_when_open(life, at + random.randrange(HOUR, 2 * DAY)), take_back, (course, fill_, whole))
    elif whole:
        _go_on(life, at, course)


def take_back(life: Life, at: int, subject: tuple[Course, Fill, bool]) -> None:
    """The wrong one was handed over: it comes back, and the sale with it."""
    course, fill_, whole = subject
    life.happened(Kind.RETURNED, at, course.prescription, fill_, why=Why.PICKED_UP)
    _after_return(life, at, course, whole)


def give_back(life: Life, at: int, subject: tuple[Course, Fill, bool]) -> None:
    """Nobody came: back to stock."""
    course, fill_, whole = subject
    why = Why.PARTIAL if fill_.part else Why.NOT_PICKED_UP
    life.happened(Kind.RETURNED, at, course.prescription, fill_, why=why)
    _after_return(life, at, course, whole)


def _after_return(life: Life, at: int, course: Course, whole: bool) -> None:
    if not whole or course.ended:
        return
    random = life.random
    course.refills_left += 1  # the next fill is counted again
    if random.random() < 0.35 + 0.4 * life.punctual:
        life.plan(_open_hours(life, at + random.randrange(DAY, 20 * DAY)), fill, course)
    elif random.random() < 0.4:
        life.plan(_open_hours(life, at + random.randrange(DAY, 40 * DAY)), discontinue, course)
    else:
        _end(life, course)  # given up without a word


def _go_on(life: Life, at: int, course: Course) -> None:
    """After a sale: when the next fill is, if there is one."""
    random = life.random
    if not course.chronic or course.ended:
        _end(life, course)
        return
    runs_out = at + course.prescription.days_supply * DAY
    roll = random.random() ** (1.4 - life.punctual)
    if roll > 0.5:
        due = runs_out - random.randrange(8) * DAY
    elif roll > 0.3:
        due = runs_out + random.randrange(4) * DAY
    elif roll > 0.05:
        due = runs_out + random.randrange(4, 45) * DAY
    elif roll > 0.03:
        life.plan(_open_hours(life, runs_out), discontinue, course)
        return
    else:
        _end(life, course)
        return
    due = max(due, at + DAY)
    life.plan(_open_hours(life, due), fill if course.refills_left > 0 else ask_for_more, course)


def ask_for_more(life: Life, at: int, course: Course) -> None:
    """No refills are left: the prescriber is asked, or writes anew unasked, at times another medicine of the class."""
    if course.ended:
        return
    random = life.random
    if random.random() < 0.6:
        life.happened(Kind.REFILLS_ASKED, at, course.prescription)
    life.plan(at + random.randrange(HOUR, 3 * DAY), renew, course)


def renew(life: Life, at: int, course: Course) -> None:
    """The prescription after a prescription: the same medicine, or one of its class."""
    if course.ended:
        return
    random, product = life.random, course.prescription.product
    _end(life, course)
    roll = random.random()
    if roll < 0.06:
        return
    if roll < 0.12 and (others := alternatives(product)):
        product = random.choice(others)
    new = prescribe(life, at, product, refills=_refills(life))
    life.happened(Kind.ORDERED, at, new.prescription)
    _after_order(life, at, new)
