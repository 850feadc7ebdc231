"""Tests of analytics; what the comparison asserts is shown as in a test."""

import pytest

pytest.register_assert_rewrite("tests.analytics.comparison")
