def everyone(*a):
    return []
