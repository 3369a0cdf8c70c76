"""What the relay answers instead of 200: a status and one plain sentence, which the sender shows to a person."""


class Refusal(Exception):
    def __init__(self, status, sentence, retry_after=None):
        super().__init__(sentence)
        self.status, self.sentence, self.retry_after = status, sentence, retry_after
