"""Plain against residual networks: gradients at initialisation, trainings on the digits, and a page made of the numbers."""
