"""The student: the small detector, taught by CLIP's tower under trained heads (`layerwatch_train.teacher`).

It goes on from a detector file that ships, learns the teacher's soft answers and maps on the samples whose
tokens are kept, besides their labels, and becomes the next file.
"""
