"""The bytes of Ark's answers about video tasks, made once. Pure, but for the encoding of the film.

Source: ModelArk's API reference, video generation tasks: made, and shown once it has succeeded.
"""

from dataclasses import dataclass

from bench.canned import plain
from simulator.videos import VideoRecipe, encode

TASKS = "/api/v3/contents/generations/tasks"
FILM = "/film.mp4"
MODEL = "seedance-2.0"
SECONDS = 4
_RECIPE = VideoRecipe(864, 480, SECONDS, audio=False, variant=0)


def request() -> bytes:
    """The body of a create at the gateway."""
    prompt = "a lighthouse at dawn, seen from the sea"
    return f'{{"model":"{MODEL}","prompt":"{prompt}","seconds":"{SECONDS}"}}'.encode()


def task_request() -> bytes:
    """The same as the gateway asks its upstream."""
    return (
        b'{"model":"dreamina-seedance-2-0-260128","content":[{"type":"text",'
        b'"text":"a lighthouse at dawn, seen from the sea"}],"duration":4,"resolution":"720p",'
        b'"seed":1,"safety_identifier":"00000000000040008000000000000000","watermark":false,'
        b'"return_last_frame":false}'
    )


@dataclass(frozen=True, slots=True)
class TaskAnswers:
    """HTTP/1.1 answers, ready to be written."""

    film: bytes
    succeeded: bytes

    def made(self, number: int) -> bytes:
        """The answer to the making of task *number*."""
        return plain(200, "application/json", b'{"id":"cgt-20260101000000-%08d"}' % number)


def task_answers(base_url: str) -> TaskAnswers:
    """Make them all: a tenth of a second of work. Every task has succeeded once it is looked at."""
    return TaskAnswers(
        film=plain(200, "video/mp4", encode(_RECIPE)),
        succeeded=plain(
            200,
            "application/json",
            (
                '{"id":"cgt-20260101000000-00000000","model":"dreamina-seedance-2-0-260128",'
                '"status":"succeeded","error":null,"created_at":1767225600,'
                '"updated_at":1767225660,"seed":1,"resolution":"720p","ratio":"16:9",'
                f'"duration":{SECONDS},"framespersecond":24,"service_tier":"default",'
                f'"content":{{"video_url":"{base_url}{FILM}"}},'
                '"usage":{"completion_tokens":86400,"total_tokens":86400}}'
            ).encode(),
        ),
    )
