"""Writes tests/golden/events.tfevents with TensorBoard's own code: pip install tensorboard==2.21.0."""
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

events = [
    Event(wall_time=1.5, file_version="brain.Event:2"),
    Event(wall_time=1.5, step=301, session_log=SessionLog(status=SessionLog.START)),
    Event(wall_time=1.5, step=301, summary=Summary(value=[
        Summary.Value(tag="train/reward", simple_value=0.25),
        Summary.Value(tag="eval/pass@8 µ", simple_value=-1e-3),
    ])),
    Event(wall_time=1.5, step=2**40, summary=Summary(value=[
        Summary.Value(tag="train/" + 200 * "x", simple_value=0.0),
    ])),
]
with open(Path(__file__).parent / "events.tfevents", "wb") as file:
    writer = RecordWriter(file)
    for event in events:
        writer.write(event.SerializeToString())
