"""The proxy: ``service`` is the parent process, ``worker`` the processes that carry traffic, ``flow`` and ``pool`` what happens in those."""
