"""What the processor runs: vector instructions written as LLVM code, and the loops around them.

Each kernel computes with lanes of sixteen numbers, whatever the processor's own width, in an order
that nothing rearranges. So a number has the same bits alone or in company, on one thread or on
many, and on every processor.
"""
