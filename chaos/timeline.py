def timeline(history, title, verdict):
    return title
