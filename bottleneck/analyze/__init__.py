"""Questions to ask a feature before compressing it, answered for any network, data set and split point.

    bottleneck analyze                                    # the embedded digits
    bottleneck analyze model=resnet50 data=imagenet data.root=PATH split=layer2

`coefficients.py`: how are values distributed, and how many are zero? `differences.py`: do neighbours in
space, channel or time predict each other? `fourier.py`: can high frequencies be left out? `motion.py`: does a
feature move with its image? `quantization.py`: how few levels do? `relevance.py`: are the coefficients that
matter large ones? `similarity.py`: which channels resemble each other? `sizes.py`: what is a payload of so
many bytes worth, as a picture of the input or of the feature? All of them are asked of `samples.py`, and
drawn by `figures.py`.
"""
