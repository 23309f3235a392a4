"""Run in the image that is to be shipped: `dynosim run -- python -m unittest tests`."""

import unittest

from app import app


class HelloTest(unittest.TestCase):
    def test_the_front_page_says_hello(self):
        response = app.test_client().get("/")
        self.assertEqual(response.status_code, 200)
        self.assertEqual(response.text, "Hello World!\n")


if __name__ == "__main__":
    unittest.main()
