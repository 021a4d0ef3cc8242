"""Whether the backups are there, new enough, whole and complete: a look at what others left, every night, in seconds.

Reading is apart from judging: `places`, `sets`, `dumps` and `walarchive` find out what is there, the modules called
`judge_...` take plain data and say what is wrong with it.
"""
