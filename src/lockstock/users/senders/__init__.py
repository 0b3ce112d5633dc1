"""Senders: how one-time codes and invitations reach people."""
