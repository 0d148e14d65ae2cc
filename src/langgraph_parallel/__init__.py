"""Parallel LLM patterns for LangGraph."""
