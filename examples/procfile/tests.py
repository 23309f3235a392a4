"""`dynosim test -- python3 tests.py`: the app as its users have it."""

import os
import unittest
import urllib.request


class Served(unittest.TestCase):
    def test_it_greets(self):
        with urllib.request.urlopen(os.environ["DYNOSIM_URL"], timeout=10) as answer:
            self.assertEqual(answer.status, 200)
            self.assertIn(b"from web.1", answer.read())


if __name__ == "__main__":
    unittest.main()
