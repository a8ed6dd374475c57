from hypothesis import given
from hypothesis import strategies as st

from operators.video.timeline import PacketTime, Picker, Timeline, group_by_gop, shown_at


@st.composite
def streams(draw) -> list[tuple[int, int, bool]]:
    """(pts, dts, is_keyframe) in decode order, with B-frames and uneven gaps."""
    gaps = draw(st.lists(st.integers(1, 9), min_size=1, max_size=60))
    shown = [sum(gaps[:number]) for number in range(len(gaps))]
    order, place = [], 0
    while place < len(shown):
        ahead = min(draw(st.integers(0, 3)), len(shown) - 1 - place) if place else 0
        order += [place + ahead, *range(place, place + ahead)]
        place += ahead + 1
    # The largest dts allowed: never above any pts still to come, and rising.
    packets = []
    for number, frame in enumerate(order):
        dts = min(shown[later] for later in order[number:])
        packets.append([shown[frame], dts, number == 0 or draw(st.integers(0, 2)) == 0])
    for number in range(len(packets) - 2, -1, -1):
        packets[number][1] = min(packets[number][1], packets[number + 1][1] - 1)
    return [tuple(packet) for packet in packets]


@given(streams(), st.data())
def test_the_picker_wants_exactly_what_is_on_screen(packets, data) -> None:
    every_pts = sorted(pts for pts, _, _ in packets)
    targets = sorted(
        data.draw(st.lists(st.integers(0, every_pts[-1] + 20), min_size=1, max_size=12))
    )
    picker, waiting, wanted = Picker(targets), [], set()

    def decide() -> None:
        while waiting and (answer := picker.is_wanted(waiting[0])) is not None:
            pts = waiting.pop(0)
            if answer:
                wanted.add(pts)

    for pts, dts, _ in packets:
        picker.see(pts, dts)
        waiting.append(pts)
        decide()
        if picker.ended and not waiting:
            break
    picker.ended = True
    decide()
    assert not waiting
    assert wanted == {shown_at(every_pts, target) for target in targets}


@given(streams(), st.data())
def test_fed_ranges_hold_the_wanted_and_begin_at_keyframes(packets, data) -> None:
    timeline = Timeline([PacketTime(pts, key) for pts, _, key in packets])
    left_out = data.draw(st.sets(st.sampled_from(timeline.pts)))
    wanted = set(timeline.pts) - left_out or left_out
    ranges = timeline.packets_to_feed(wanted)
    fed = {number for first, last in ranges for number in range(first, last + 1)}
    for number, (pts, _, _) in enumerate(packets):
        if pts in wanted:
            assert number in fed
            begin = max(first for first, _ in ranges if first <= number)
            assert packets[begin][2]
            assert packets[begin][0] <= pts
    assert sum(last - first + 1 for first, last in ranges) == len(fed)


def test_frames_that_lead_the_first_keyframe_do_not_count() -> None:
    packets = [(9, False), (12, True), (10, False), (11, False), (13, False)]
    timeline = Timeline([PacketTime(pts, key) for pts, key in packets])
    assert timeline.pts == [12, 13]
    assert timeline.key_pts == [12]


def test_frames_cut_off_by_an_edit_list_do_not_count() -> None:
    packets = [PacketTime(0, True, False), PacketTime(1, False, False), PacketTime(2, False)]
    timeline = Timeline(packets)
    assert timeline.pts == [2]
    assert timeline.packets_to_feed([2]) == [(0, 2)]


@given(
    st.lists(st.integers(0, 1000), min_size=1, unique=True).map(sorted),
    st.lists(st.integers(-10, 1100)),
)
def test_targets_go_to_the_group_they_are_in(key_pts, targets) -> None:
    groups = group_by_gop(key_pts, targets)
    assert sorted(t for group in groups.values() for t in group) == sorted(targets)
    for number, group in groups.items():
        assert all(key_pts[number] <= t or number == 0 for t in group)
        assert all(number + 1 == len(key_pts) or t < key_pts[number + 1] for t in group)
