"""Run where the app runs, in its own image: `dynosim run -- python -m unittest tests`."""

import os
import unittest
from unittest import mock

from app import app


class HelloTest(unittest.TestCase):
    def setUp(self):
        self.client = app.test_client()

    def test_the_front_page_greets(self):
        with mock.patch.dict(os.environ, {"GREETING": "Hi", "DYNO": "web.7"}):
            response = self.client.get("/")
        self.assertEqual(response.status_code, 200)
        self.assertEqual(response.text, "Hi, from web.7\n")

    def test_the_greeting_has_a_default(self):
        with mock.patch.dict(os.environ, clear=True):
            response = self.client.get("/")
        self.assertEqual(response.text, "Hello, world, from no dyno\n")

    def test_health_answers_json(self):
        self.assertEqual(self.client.get("/health").json, {"status": "ok"})


if __name__ == "__main__":
    unittest.main()
