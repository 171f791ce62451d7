"""A worker that compiles, and says through its exit code that it could."""

import multiprocessing

import jax


def work():
    jax.jit(lambda x: x + 1)(1.0)


if __name__ == "__main__":
    process = multiprocessing.get_context("spawn").Process(target=work)
    process.start()
    process.join()
    print("worker", process.exitcode)
