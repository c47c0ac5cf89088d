"""Threads, processes and forks at the same time, as scripts have them."""
import subprocess
import threading
import os

total = [0] * 8


def work(index):
    kept = []
    for number in range(20000):
        kept.append(str(number) * (number % 7))
        if number % 5 == 0:
            kept.pop(len(kept) // 2)
    total[index] = sum(map(len, kept))


threads = [threading.Thread(target=work, args=(index,)) for index in range(8)]
for thread in threads:
    thread.start()
for _ in range(20):
    child = os.fork()
    if child == 0:
        os._exit(len([bytearray(1000) for _ in range(100)]) - 100)
    assert os.waitpid(child, 0)[1] == 0
for thread in threads:
    thread.join()
print(total, subprocess.run(["echo", "child"], capture_output=True, text=True).stdout)
